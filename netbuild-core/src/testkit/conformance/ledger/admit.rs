//! Taking messages in.

use super::leader::Leader;
use super::{Case, Ledgers, Stop, check, equal, list};
use crate::model::{BuildRecord, Place, Rank};
use crate::port::{Admission, Cursor, Ledger, LedgerError, Message};
use crate::testkit::fixtures::{build, message, publisher};

pub(super) fn cases() -> Vec<Case<dyn Ledger>> {
    list![
        ranks_follow_the_batch,
        an_admitted_build_reads_back_whole,
        a_known_build_is_a_duplicate,
        a_build_id_of_another_tenant_is_a_duplicate,
        a_late_message_is_admitted,
        cursors_follow_each_publishers_newest_epoch,
        a_duplicate_moves_the_cursor,
        admitting_is_fenced,
        an_empty_batch_admits_nothing,
    ]
}

fn messages(numbers: std::ops::RangeInclusive<u64>) -> Vec<Message> {
    numbers.map(|n| message("api", n, build("acme", "site", n))).collect()
}

async fn ranks_follow_the_batch(subject: Ledgers<'_>) -> Result<(), Stop> {
    let leader = Leader::new(subject.store()).await?;
    let mut batch = messages(1..=4);
    batch.reverse();
    let mut ranks = leader.admit(&batch[..2]).await?;
    ranks.extend(leader.admit(&batch[2..]).await?);
    check(ranks.windows(2).all(|pair| pair[0] < pair[1]), "ranks grow in the order of the batch and of the calls")?;
    let open = leader.ledger.open_builds(Rank::default(), 10).await?;
    let found: Vec<_> = open.iter().map(|record| (record.rank, record.build.id)).collect();
    let expected: Vec<_> = ranks.iter().zip(&batch).map(|(rank, message)| (*rank, message.build.id)).collect();
    equal(found, expected, "each build has the rank of the answer")
}

async fn an_admitted_build_reads_back_whole(subject: Ledgers<'_>) -> Result<(), Stop> {
    let leader = Leader::new(subject.store()).await?;
    let message = message("api", 7, build("acme", "site", 1));
    let before = subject.now();
    let rank = leader.admit(std::slice::from_ref(&message)).await?[0];
    let after = subject.now();
    let record = leader.record(&message.build.key()).await?;
    check((before..=after).contains(&record.admitted_at), "it is dated when it was admitted")?;
    let expected = BuildRecord::admitted(message.build, message.place, rank, record.admitted_at);
    equal(record, expected, "it is queued, with all that was asked")
}

async fn a_known_build_is_a_duplicate(subject: Ledgers<'_>) -> Result<(), Stop> {
    let leader = Leader::new(subject.store()).await?;
    leader.admit(&messages(1..=1)).await?;
    let before = leader.record(&build("acme", "site", 1).key()).await?;
    let again = [messages(1..=2), messages(2..=2)].concat();
    let answers = leader.ledger.admit(leader.epoch, &again).await?;
    let is_duplicate: Vec<bool> = answers.iter().map(|answer| *answer == Admission::Duplicate).collect();
    equal(is_duplicate, vec![true, false, true], "a build is admitted once, in earlier calls and inside a batch")?;
    equal(leader.record(&before.key()).await?, before, "the first one's record stays")
}

async fn a_build_id_of_another_tenant_is_a_duplicate(subject: Ledgers<'_>) -> Result<(), Stop> {
    let leader = Leader::new(subject.store()).await?;
    leader.admit(&messages(1..=1)).await?;
    for theirs in [build("globex", "site", 1), build("acme", "blog", 1)] {
        let key = theirs.key();
        let answers = leader.ledger.admit(leader.epoch, &[message("api", 2, theirs)]).await?;
        equal(answers, vec![Admission::Duplicate], "a known build id is a duplicate, whatever its tenant")?;
        equal(leader.ledger.build(&key).await?, None, "and nothing of the second is kept")?;
    }
    Ok(())
}

async fn a_late_message_is_admitted(subject: Ledgers<'_>) -> Result<(), Stop> {
    let leader = Leader::new(subject.store()).await?;
    leader.admit(&messages(5..=5)).await?;
    let ranks = leader.admit(&[messages(2..=2), vec![message("api", 5, build("acme", "site", 9))]].concat()).await?;
    equal(ranks.len(), 2, "a place at or below the cursor is no error")
}

async fn cursors_follow_each_publishers_newest_epoch(subject: Ledgers<'_>) -> Result<(), Stop> {
    let leader = Leader::new(subject.store()).await?;
    equal(leader.ledger.cursors().await?.len(), 0, "an empty ledger has no cursors")?;
    let place = |name, epoch, seq| Place { publisher: publisher(name), epoch, seq };
    let steps = [
        (place("a", 1, 3), place("a", 1, 3)),
        (place("a", 1, 2), place("a", 1, 3)),
        (place("a", 1, 9), place("a", 1, 9)),
        (place("a", 2, 1), place("a", 2, 1)),
        (place("a", 1, 10), place("a", 2, 1)),
        (place("b", 1, 4), place("b", 1, 4)),
    ];
    for (n, (admitted, expected)) in steps.into_iter().enumerate() {
        let message = Message { place: admitted, build: build("acme", "site", n as u64) };
        leader.admit(&[message]).await?;
        let cursors = leader.ledger.cursors().await?;
        let mut found = cursors.into_iter().map(|cursor| cursor.last);
        let found = found.find(|last| last.publisher == expected.publisher);
        equal(found, Some(expected), "a cursor is the highest admitted place of the newest epoch")?;
    }
    equal(leader.ledger.cursors().await?.len(), 2, "each publisher has one cursor")
}

async fn a_duplicate_moves_the_cursor(subject: Ledgers<'_>) -> Result<(), Stop> {
    let leader = Leader::new(subject.store()).await?;
    leader.admit(&messages(1..=1)).await?;
    let again = message("api", 2, build("acme", "site", 1));
    let place = again.place.clone();
    equal(leader.ledger.admit(leader.epoch, &[again]).await?, vec![Admission::Duplicate], "its build is known")?;
    equal(leader.ledger.cursors().await?, vec![Cursor { last: place }], "the place of a duplicate is dealt with")
}

async fn admitting_is_fenced(subject: Ledgers<'_>) -> Result<(), Stop> {
    let leader = Leader::new(subject.store()).await?;
    let successor = leader.replaced().await?;
    let answer = leader.ledger.admit(leader.epoch, &messages(1..=1)).await;
    check(
        matches!(answer, Err(LedgerError::Fenced { current }) if current == successor.epoch),
        "a leader that was replaced admits nothing, and learns which epoch leads",
    )?;
    equal(leader.ledger.open_builds(Rank::default(), 10).await?.len(), 0, "nothing was written")?;
    successor.admit(&messages(1..=1)).await?;
    Ok(())
}

async fn an_empty_batch_admits_nothing(subject: Ledgers<'_>) -> Result<(), Stop> {
    let leader = Leader::new(subject.store()).await?;
    equal(leader.ledger.admit(leader.epoch, &[]).await?, vec![], "an empty batch has an empty answer")
}
