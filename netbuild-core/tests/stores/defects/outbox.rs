//! Outboxes that are wrong.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use netbuild_core::memory::MemoryOutbox;
use netbuild_core::model::PublisherId;
use netbuild_core::port::{Backlog, Event, EventKey, Message, Outbox, OutboxError, Recorded};
use netbuild_core::testkit::conformance::outbox;
use netbuild_core::testkit::{ManualClock, fixtures};

use super::{Faulty, every_case_finds_its_defects};
use crate::memory::LIMIT;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    LeavesGaps,
    ReversesBatches,
    GivesAnotherEpoch,
    ForgetsKeys,
    ForgetsKeysInABatch,
    ForgetsKeysWhenPublished,
    IgnoresTenants,
    TakesAnyKey,
    CutsLargeBuilds,
    TakesAnyBuildId,
    RecordsOneByOne,
    HasNoBound,
    BoundsRepeatedEvents,
    BoundsPublishedEvents,
    GivesNewestFirst,
    DropsSecrets,
    IgnoresAfter,
    IgnoresMax,
    TakesWhatIsPending,
    PublishesOneLess,
    PublishesOneMore,
    PublishedGoesBack,
    PublishesWhatComes,
    CountsPublished,
    DatesNoBacklog,
    RefusesEmptyBatches,
    ForgetsOnReopen,
    ForgetsPublishedOnReopen,
    ForgetsKeysOnReopen,
}
use Fault::*;

#[tokio::test(start_paused = true)]
async fn every_outbox_case_finds_its_defects() {
    let defects: &[(&str, &[Fault])] = &[
        ("seqs_follow_the_batch_without_gaps", &[LeavesGaps, ReversesBatches]),
        ("places_carry_publisher_and_epoch", &[GivesAnotherEpoch]),
        ("a_repeated_key_answers_with_the_first", &[ForgetsKeys]),
        ("a_key_repeated_inside_a_batch_answers_with_the_first", &[ForgetsKeysInABatch]),
        ("a_published_event_is_still_known", &[ForgetsKeysWhenPublished]),
        ("equal_keys_of_two_accounts_are_two_events", &[IgnoresTenants]),
        ("an_invalid_key_refuses_the_whole_batch", &[TakesAnyKey, RecordsOneByOne]),
        ("a_build_that_is_too_large_refuses_the_whole_batch", &[CutsLargeBuilds, RecordsOneByOne]),
        ("a_build_id_under_another_key_refuses_the_whole_batch", &[TakesAnyBuildId, RecordsOneByOne]),
        ("a_batch_past_the_bound_is_refused_whole", &[HasNoBound, RecordsOneByOne]),
        (
            "a_full_outbox_knows_repeated_events_and_takes_more_once_published",
            &[BoundsRepeatedEvents, BoundsPublishedEvents],
        ),
        ("pending_holds_whole_builds_oldest_first", &[GivesNewestFirst, DropsSecrets]),
        ("pending_pages_by_seq", &[IgnoresAfter, IgnoresMax]),
        ("pending_changes_nothing", &[TakesWhatIsPending]),
        ("published_takes_everything_up_to_a_seq", &[PublishesOneLess, PublishesOneMore]),
        ("published_can_be_repeated", &[PublishedGoesBack]),
        ("published_marks_only_what_is_recorded", &[PublishesWhatComes]),
        ("backlog_counts_and_dates_what_is_pending", &[CountsPublished, DatesNoBacklog]),
        ("concurrent_callers_share_one_order", &[RecordsOneByOne]),
        ("an_empty_batch_is_no_error", &[RefusesEmptyBatches]),
        ("reopening_keeps_events_and_their_places", &[ForgetsOnReopen]),
        ("reopening_keeps_what_is_published", &[ForgetsPublishedOnReopen]),
        ("reopening_keeps_the_keys", &[ForgetsKeysOnReopen]),
    ];
    every_case_finds_its_defects::<FaultyOutbox>(outbox::cases(), defects).await;
}

#[derive(Debug)]
pub(crate) struct FaultyOutbox {
    fault: Option<Fault>,
    clock: ManualClock,
    publisher: PublisherId,
    inner: Mutex<Arc<MemoryOutbox>>,
    notes: Mutex<Notes>,
}

/// What a wrong outbox remembers in the wrong way.
#[derive(Debug, Default)]
struct Notes {
    /// What is put before each key.
    salt: u64,
    /// Everything at or below is hidden from `pending`.
    published: u64,
}

impl FaultyOutbox {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn inner(&self) -> Arc<MemoryOutbox> {
        self.inner.lock().unwrap().clone()
    }

    fn fresh(fault: Option<Fault>, clock: &ManualClock) -> Arc<MemoryOutbox> {
        let limit = if fault == Some(HasNoBound) { 1_000 } else { LIMIT };
        Arc::new(MemoryOutbox::new(fixtures::publisher("api"), 7, limit, Arc::new(clock.clone())))
    }

    fn altered(&self, batch: &[Event]) -> Vec<Event> {
        let mut notes = self.notes.lock().unwrap();
        let mut altered = batch.to_vec();
        for (n, event) in altered.iter_mut().enumerate() {
            match self.fault {
                Some(ForgetsKeys) => {
                    notes.salt += 1;
                    event.key.0.insert_str(0, &format!("{} ", notes.salt));
                }
                Some(ForgetsKeysWhenPublished | ForgetsKeysOnReopen) if notes.salt > 0 => {
                    event.key.0.insert_str(0, "later ");
                    event.build.id = fixtures::build_id(1_000 + n as u64);
                }
                Some(ForgetsKeysInABatch) => event.key.0.insert_str(0, &format!("{n} ")),
                Some(IgnoresTenants) => event.build.account = fixtures::account("any"),
                Some(TakesAnyKey) => event.key = EventKey(format!("any {n}")),
                Some(CutsLargeBuilds) => event.build.spec.command.truncate(1_000),
                Some(TakesAnyBuildId) => {
                    notes.salt += 1;
                    event.build.id = fixtures::build_id(1_000 + notes.salt);
                }
                Some(DropsSecrets) => event.build.spec.secrets.clear(),
                _ => {}
            }
        }
        if self.has(ReversesBatches) {
            altered.reverse();
        }
        altered
    }

    async fn refuse(&self, batch: &[Event]) -> Result<(), OutboxError> {
        let full = match self.fault {
            Some(BoundsRepeatedEvents) => self.inner().backlog().await?.count + batch.len() as u64 > LIMIT,
            Some(RefusesEmptyBatches) => batch.is_empty(),
            _ => false,
        };
        if full { Err(OutboxError::Full { limit: LIMIT }) } else { Ok(()) }
    }
}

impl Faulty for FaultyOutbox {
    type Port = dyn Outbox;
    type Fault = Fault;

    fn new(fault: Option<Fault>, clock: ManualClock) -> Self {
        let inner = Mutex::new(Self::fresh(fault, &clock));
        FaultyOutbox { fault, clock, publisher: fixtures::publisher("api"), inner, notes: Mutex::default() }
    }

    fn port(self: Arc<Self>) -> Arc<dyn Outbox> {
        self
    }

    fn reopened(&self) {
        let mut notes = self.notes.lock().unwrap();
        match self.fault {
            Some(ForgetsOnReopen) => *self.inner.lock().unwrap() = Self::fresh(self.fault, &self.clock),
            Some(ForgetsPublishedOnReopen) => notes.published = 0,
            Some(ForgetsKeysOnReopen) => notes.salt = 1,
            _ => {}
        }
    }
}

#[async_trait]
impl Outbox for FaultyOutbox {
    fn publisher(&self) -> (&PublisherId, u64) {
        (&self.publisher, 7)
    }

    async fn record(&self, batch: &[Event]) -> Result<Vec<Recorded>, OutboxError> {
        self.refuse(batch).await?;
        let batch = self.altered(batch);
        let mut recorded = Vec::new();
        if self.has(RecordsOneByOne) {
            for event in &batch {
                recorded.extend(self.inner().record(std::slice::from_ref(event)).await?);
                tokio::task::yield_now().await;
            }
        } else {
            recorded = self.inner().record(&batch).await?;
        }
        match self.fault {
            Some(ReversesBatches) => recorded.reverse(),
            Some(LeavesGaps) => recorded.iter_mut().for_each(|recorded| recorded.place.seq *= 2),
            Some(GivesAnotherEpoch) => recorded.iter_mut().for_each(|recorded| recorded.place.epoch += 1),
            _ => {}
        }
        Ok(recorded)
    }

    async fn pending(&self, after: u64, max: usize) -> Result<Vec<Message>, OutboxError> {
        let after = if self.has(IgnoresAfter) { 0 } else { after };
        let max = if self.has(IgnoresMax) { usize::MAX } else { max };
        let mut pending = self.inner().pending(after, max).await?;
        let published = self.notes.lock().unwrap().published;
        pending.retain(|message| message.place.seq > published);
        match self.fault {
            Some(GivesNewestFirst) => pending.reverse(),
            Some(TakesWhatIsPending) => self.inner().published(u64::MAX).await?,
            _ => {}
        }
        Ok(pending)
    }

    async fn published(&self, seq: u64) -> Result<(), OutboxError> {
        match self.fault {
            Some(PublishesOneLess) => return self.inner().published(seq.saturating_sub(1)).await,
            Some(PublishesOneMore) => return self.inner().published(seq + 1).await,
            Some(ForgetsKeysWhenPublished) => self.notes.lock().unwrap().salt = 1,
            _ => {}
        }
        let mut notes = self.notes.lock().unwrap();
        match self.fault {
            Some(PublishedGoesBack) => notes.published = seq,
            Some(PublishesWhatComes | CountsPublished | BoundsPublishedEvents | ForgetsPublishedOnReopen) => {
                notes.published = seq.max(notes.published);
            }
            _ => {
                drop(notes);
                return self.inner().published(seq).await;
            }
        }
        Ok(())
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        let backlog = self.inner().backlog().await?;
        Ok(if self.has(DatesNoBacklog) { Backlog { oldest: None, ..backlog } } else { backlog })
    }
}
