//! The contract of [`Outbox`].

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;

use super::report::Report;
use super::suite::{self, Case, Stop, Subject, check, equal, list, reopen};
use crate::model::BuildId;
use crate::port::{
    Event, EventKey, MAX_BUILD_BYTES, MAX_EVENT_KEY_BYTES, MAX_MESSAGE_BYTES, Message, Outbox, OutboxError, Recorded,
};
use crate::testkit::fixtures::{build, event};

/// Runs all cases, each against a fresh outbox.
pub async fn run<S: Subject<dyn Outbox>>(fresh: impl AsyncFn() -> S) -> Report {
    suite::run(cases(), fresh).await
}

/// The cases.
pub fn cases() -> Vec<Case<dyn Outbox>> {
    list![
        seqs_follow_the_batch_without_gaps,
        places_carry_publisher_and_epoch,
        a_repeated_key_answers_with_the_first,
        a_key_repeated_inside_a_batch_answers_with_the_first,
        a_published_event_is_still_known,
        equal_keys_of_two_accounts_are_two_events,
        an_invalid_key_refuses_the_whole_batch,
        a_build_that_is_too_large_refuses_the_whole_batch,
        a_build_id_under_another_key_refuses_the_whole_batch,
        a_batch_past_the_bound_is_refused_whole,
        a_full_outbox_knows_repeated_events_and_takes_more_once_published,
        pending_holds_whole_builds_oldest_first,
        pending_pages_by_seq,
        pending_changes_nothing,
        published_takes_everything_up_to_a_seq,
        published_can_be_repeated,
        published_marks_only_what_is_recorded,
        backlog_counts_and_dates_what_is_pending,
        concurrent_callers_share_one_order,
        an_empty_batch_is_no_error,
        reopening_keeps_events_and_their_places,
        reopening_keeps_what_is_published,
        reopening_keeps_the_keys,
    ]
}

type Outboxes<'a> = &'a mut dyn Subject<dyn Outbox>;

fn events(numbers: std::ops::RangeInclusive<u64>) -> Vec<Event> {
    numbers.map(|n| event(build("acme", "site", n))).collect()
}

fn seqs(recorded: &[Recorded]) -> Vec<u64> {
    recorded.iter().map(|recorded| recorded.place.seq).collect()
}

async fn pending_seqs(outbox: &Arc<dyn Outbox>) -> Result<Vec<u64>, OutboxError> {
    let pending = outbox.pending(0, 1_000).await?;
    Ok(pending.into_iter().map(|message| message.place.seq).collect())
}

async fn seqs_follow_the_batch_without_gaps(subject: Outboxes<'_>) -> Result<(), Stop> {
    let outbox = subject.store();
    let batch = events(1..=3);
    let first = outbox.record(&batch).await?;
    equal(seqs(&first), vec![1, 2, 3], "seqs start at 1 and follow the batch")?;
    let builds: Vec<BuildId> = first.iter().map(|recorded| recorded.build).collect();
    equal(builds, batch.iter().map(|event| event.build.id).collect(), "each answer names its event's build")?;
    check(first.iter().all(|recorded| recorded.fresh), "new events are fresh")?;
    equal(seqs(&outbox.record(&events(4..=5)).await?), vec![4, 5], "the next batch goes on without a gap")
}

async fn places_carry_publisher_and_epoch(subject: Outboxes<'_>) -> Result<(), Stop> {
    let outbox = subject.store();
    let recorded = outbox.record(&events(1..=1)).await?;
    let pending = outbox.pending(0, 10).await?;
    for place in recorded.iter().map(|recorded| &recorded.place).chain(pending.iter().map(|message| &message.place)) {
        equal((&place.publisher, place.epoch), outbox.publisher(), "a place has the outbox's publisher and epoch")?;
    }
    Ok(())
}

async fn a_repeated_key_answers_with_the_first(subject: Outboxes<'_>) -> Result<(), Stop> {
    let outbox = subject.store();
    let first = outbox.record(&events(1..=2)).await?;
    let same_key = Event { key: events(1..=1)[0].key.clone(), build: build("acme", "site", 9) };
    let again = outbox.record(&[same_key]).await?;
    let expected = Recorded { fresh: false, ..first[0].clone() };
    equal(again, vec![expected], "a repeated key answers with the first place and build")?;
    equal(pending_seqs(&outbox).await?, vec![1, 2], "a repeated event is not recorded again")?;
    equal(seqs(&outbox.record(&events(3..=3)).await?), vec![3], "a repeated event takes no seq")
}

async fn a_key_repeated_inside_a_batch_answers_with_the_first(subject: Outboxes<'_>) -> Result<(), Stop> {
    let outbox = subject.store();
    let batch = [events(1..=1), events(1..=2)].concat();
    let recorded = outbox.record(&batch).await?;
    equal(seqs(&recorded), vec![1, 1, 2], "the second of two equal keys has the first one's place")?;
    let fresh: Vec<bool> = recorded.iter().map(|recorded| recorded.fresh).collect();
    equal(fresh, vec![true, false, true], "only the first of two equal keys is fresh")
}

async fn a_published_event_is_still_known(subject: Outboxes<'_>) -> Result<(), Stop> {
    let outbox = subject.store();
    let first = outbox.record(&events(1..=1)).await?;
    outbox.published(1).await?;
    let again = outbox.record(&events(1..=1)).await?;
    equal(again, vec![Recorded { fresh: false, ..first[0].clone() }], "publishing does not forget the key")?;
    equal(pending_seqs(&outbox).await?, vec![], "a repeated event is not published again")
}

async fn equal_keys_of_two_accounts_are_two_events(subject: Outboxes<'_>) -> Result<(), Stop> {
    let outbox = subject.store();
    let ours = event(build("acme", "site", 1));
    let theirs = Event { key: ours.key.clone(), build: build("globex", "site", 2) };
    let recorded = outbox.record(&[ours, theirs]).await?;
    check(recorded.iter().all(|recorded| recorded.fresh), "equal keys of two accounts are two events")?;
    equal(seqs(&recorded), vec![1, 2], "each of the two has a place of its own")
}

async fn a_build_that_is_too_large_refuses_the_whole_batch(subject: Outboxes<'_>) -> Result<(), Stop> {
    let outbox = subject.store();
    let mut large = event(build("acme", "site", 2));
    let room = MAX_BUILD_BYTES - serde_json::to_string(&large.build).map_or(0, |json| json.len());
    large.build.spec.command.push_str(&"x".repeat(room + 1));
    let answer = outbox.record(&[event(build("acme", "site", 1)), large.clone()]).await;
    check(matches!(answer, Err(OutboxError::TooLarge { .. })), "a build past the bound is refused")?;
    equal(outbox.backlog().await?.count, 0, "with the whole batch")?;
    large.build.spec.command.pop();
    outbox.record(&[large]).await?;
    let longest = outbox.pending(0, 10).await?.first().map_or(0, |message| message.to_wire().len());
    check((1..=MAX_MESSAGE_BYTES).contains(&longest), "one at the bound is recorded and fits into a message")
}

async fn an_invalid_key_refuses_the_whole_batch(subject: Outboxes<'_>) -> Result<(), Stop> {
    let outbox = subject.store();
    for bytes in [0, MAX_EVENT_KEY_BYTES + 1] {
        let mut batch = events(1..=3);
        batch[1].key = EventKey("k".repeat(bytes));
        let answer = outbox.record(&batch).await;
        check(matches!(answer, Err(OutboxError::InvalidKey)), "an empty and a too long key are refused")?;
        equal(pending_seqs(&outbox).await?, vec![], "nothing of a refused batch is recorded")?;
    }
    let longest = Event { key: EventKey("k".repeat(MAX_EVENT_KEY_BYTES)), build: build("acme", "site", 1) };
    equal(seqs(&outbox.record(&[longest]).await?), vec![1], "the longest key is taken, and a refusal takes no seq")
}

async fn a_build_id_under_another_key_refuses_the_whole_batch(subject: Outboxes<'_>) -> Result<(), Stop> {
    let outbox = subject.store();
    outbox.record(&events(1..=1)).await?;
    let taken = build("globex", "blog", 1);
    let other_key = Event { key: EventKey("another".to_owned()), build: taken.clone() };
    let answer = outbox.record(&[events(2..=2), vec![other_key]].concat()).await;
    check(matches!(answer, Err(OutboxError::BuildIdTaken(id)) if id == taken.id), "a build id is recorded once")?;
    let twice = Event { key: EventKey("another".to_owned()), build: build("acme", "site", 3) };
    let answer = outbox.record(&[events(3..=3), vec![twice]].concat()).await;
    check(matches!(answer, Err(OutboxError::BuildIdTaken(_))), "a build id is recorded once inside a batch")?;
    equal(pending_seqs(&outbox).await?, vec![1], "nothing of a refused batch is recorded")?;
    equal(seqs(&outbox.record(&events(2..=2)).await?), vec![2], "a refusal takes no seq")
}

async fn a_batch_past_the_bound_is_refused_whole(subject: Outboxes<'_>) -> Result<(), Stop> {
    let bound = subject.limit().ok_or_else(|| Stop::skipped("no bound that a case can reach"))?;
    let outbox = subject.store();
    outbox.record(&events(1..=bound - 1)).await?;
    let answer = outbox.record(&events(bound..=bound + 1)).await;
    check(matches!(answer, Err(OutboxError::Full { limit }) if limit == bound), "past the bound the outbox is full")?;
    equal(outbox.backlog().await?.count, bound - 1, "nothing of a batch past the bound is recorded")?;
    equal(seqs(&outbox.record(&events(bound..=bound)).await?), vec![bound], "what still fits is taken")
}

async fn a_full_outbox_knows_repeated_events_and_takes_more_once_published(subject: Outboxes<'_>) -> Result<(), Stop> {
    let bound = subject.limit().ok_or_else(|| Stop::skipped("no bound that a case can reach"))?;
    let outbox = subject.store();
    outbox.record(&events(1..=bound)).await?;
    let again = outbox.record(&events(1..=1)).await?;
    equal(seqs(&again), vec![1], "a repeated event needs no room")?;
    check(outbox.record(&events(bound + 1..=bound + 1)).await.is_err(), "a full outbox takes no new event")?;
    outbox.published(1).await?;
    equal(seqs(&outbox.record(&events(bound + 1..=bound + 1)).await?), vec![bound + 1], "publishing makes room")
}

async fn pending_holds_whole_builds_oldest_first(subject: Outboxes<'_>) -> Result<(), Stop> {
    let outbox = subject.store();
    let batch = events(1..=3);
    let recorded = outbox.record(&batch).await?;
    let expected =
        recorded.into_iter().zip(batch).map(|(recorded, event)| Message { place: recorded.place, build: event.build });
    equal(outbox.pending(0, 10).await?, expected.collect(), "pending gives each build whole, oldest first")
}

async fn pending_pages_by_seq(subject: Outboxes<'_>) -> Result<(), Stop> {
    let outbox = subject.store();
    outbox.record(&events(1..=5)).await?;
    for (after, max, expected) in
        [(0, 2, vec![1, 2]), (2, 2, vec![3, 4]), (4, 2, vec![5]), (5, 2, vec![]), (0, 0, vec![])]
    {
        let page: Vec<u64> = outbox.pending(after, max).await?.iter().map(|message| message.place.seq).collect();
        equal(page, expected, "a page has at most max messages with a seq above after")?;
    }
    Ok(())
}

async fn pending_changes_nothing(subject: Outboxes<'_>) -> Result<(), Stop> {
    let outbox = subject.store();
    outbox.record(&events(1..=2)).await?;
    let first = outbox.pending(0, 10).await?;
    equal(outbox.pending(0, 10).await?, first, "reading what is pending leaves it pending")
}

async fn published_takes_everything_up_to_a_seq(subject: Outboxes<'_>) -> Result<(), Stop> {
    let outbox = subject.store();
    outbox.record(&events(1..=4)).await?;
    outbox.published(2).await?;
    equal(pending_seqs(&outbox).await?, vec![3, 4], "everything up to and with the seq is published, nothing above")
}

async fn published_can_be_repeated(subject: Outboxes<'_>) -> Result<(), Stop> {
    let outbox = subject.store();
    outbox.record(&events(1..=4)).await?;
    for seq in [3, 3, 1, 0] {
        outbox.published(seq).await?;
        equal(pending_seqs(&outbox).await?, vec![4], "a repeated or lower seq changes nothing")?;
    }
    Ok(())
}

async fn published_marks_only_what_is_recorded(subject: Outboxes<'_>) -> Result<(), Stop> {
    let outbox = subject.store();
    outbox.record(&events(1..=1)).await?;
    outbox.published(5).await?;
    outbox.record(&events(2..=2)).await?;
    equal(pending_seqs(&outbox).await?, vec![2], "an event recorded later is pending, whatever was marked before")
}

async fn backlog_counts_and_dates_what_is_pending(subject: Outboxes<'_>) -> Result<(), Stop> {
    let outbox = subject.store();
    let empty = outbox.backlog().await?;
    equal((empty.count, empty.oldest), (0, None), "an empty outbox has no backlog")?;
    let unit = subject.unit();
    let mut spans = Vec::new();
    for n in 1..=2 {
        let before = subject.now();
        outbox.record(&events(n..=n)).await?;
        spans.push(before..=subject.now());
        subject.pass(unit).await;
    }
    let both = outbox.backlog().await?;
    equal(both.count, 2, "both events are pending")?;
    check(both.oldest.is_some_and(|at| spans[0].contains(&at)), "the oldest is dated when it was recorded")?;
    outbox.published(1).await?;
    let one = outbox.backlog().await?;
    equal(one.count, 1, "a published event is not in the backlog")?;
    check(one.oldest.is_some_and(|at| spans[1].contains(&at)), "the oldest is the oldest that is pending")?;
    outbox.published(2).await?;
    equal(outbox.backlog().await?.oldest, None, "nothing pending has no date")
}

async fn concurrent_callers_share_one_order(subject: Outboxes<'_>) -> Result<(), Stop> {
    let outbox = subject.store();
    let batches: Vec<Vec<Event>> = (0..4).map(|caller| events(caller * 2 + 1..=caller * 2 + 2)).collect();
    let mut all = BTreeSet::new();
    for answer in join_all(batches.iter().map(|batch| outbox.record(batch))).await {
        let seqs = seqs(&answer?);
        equal(seqs[1], seqs[0] + 1, "the events of a batch stand together")?;
        all.extend(seqs);
    }
    equal(all, (1..=8).collect(), "concurrent callers get all seqs, none twice")?;
    equal(pending_seqs(&outbox).await?, (1..=8).collect(), "pending gives them in order")
}

async fn an_empty_batch_is_no_error(subject: Outboxes<'_>) -> Result<(), Stop> {
    let outbox = subject.store();
    equal(outbox.record(&[]).await?, vec![], "an empty batch has an empty answer")
}

async fn reopening_keeps_events_and_their_places(subject: Outboxes<'_>) -> Result<(), Stop> {
    subject.store().record(&events(1..=3)).await?;
    let before = subject.store().pending(0, 10).await?;
    let outbox = reopen(subject).await?;
    equal(outbox.pending(0, 10).await?, before, "every acknowledged event is found again at its place")?;
    equal(seqs(&outbox.record(&events(4..=4)).await?), vec![4], "the order goes on where it was")
}

async fn reopening_keeps_what_is_published(subject: Outboxes<'_>) -> Result<(), Stop> {
    subject.store().record(&events(1..=3)).await?;
    subject.store().published(3).await?;
    let outbox = reopen(subject).await?;
    equal(pending_seqs(&outbox).await?, vec![], "what was published stays published")?;
    equal(seqs(&outbox.record(&events(4..=4)).await?), vec![4], "the order goes on where it was")
}

async fn reopening_keeps_the_keys(subject: Outboxes<'_>) -> Result<(), Stop> {
    let first = subject.store().record(&events(1..=1)).await?;
    let outbox = reopen(subject).await?;
    let again = outbox.record(&events(1..=1)).await?;
    equal(again, vec![Recorded { fresh: false, ..first[0].clone() }], "a repeated key answers with the first")
}
