//! Queues that are wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::memory::MemoryQueue;
use netbuild_core::model::{BuildId, Timestamp};
use netbuild_core::port::{
    DeadBody, DeadLetter, DeadLetterId, DeadLetters, DeadReason, Delivery, Depth, Message, Queue, QueueCapabilities,
    QueueError, Receipt,
};
use netbuild_core::testkit::ManualClock;
use netbuild_core::testkit::conformance::queue;

use super::{Cut, Faulty, every_case_finds_its_defects};
use crate::memory::LIMIT;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    DropsSecrets,
    CountsNoDeliveries,
    ReversesBatches,
    IgnoresMax,
    HandsOutTwice,
    AcksWhatItHandsOut,
    IgnoresAcks,
    IgnoresNacks,
    NacksAtOnce,
    NacksForEver,
    RefusesRepeatedAcks,
    NackBringsBackTheAcked,
    WaitsForEver,
    NeverWaits,
    HandsToTheDropped,
    HandsOneOutOnly,
    CountsAllAsReady,
    DatesByTheEpoch,
    HasNoBound,
    PublishesOneByOne,
    BoundsTheAcked,
    BoundsOnlyTheReady,
    RefusesRepeats,
    StoresRepeats,
    RefusesEmptyBatches,
    ForgetsOnReopen,
    ForgetsUnackedOnReopen,
    ForgetsAcksOnReopen,
    RefusesLongTimes,
    MixesCallers,
    BuriesNothing,
    BuryAcks,
    BuriesWithoutReason,
    BuriesTheAcked,
    KeepsLongReasons,
    NeverGivesUp,
    DropsWhatItGivesUp,
    EndsReceiveAtForeignBytes,
    DropsForeignBytes,
    ListsNewestFirst,
    ListTakes,
    RedrivesInFront,
    RedrivesTwice,
    RedriveCountsOn,
    DiscardsNothing,
    DiscardsAll,
    BoundsTheDead,
    ForgetsDeadOnReopen,
    NeverReconnects,
    LosesUnackedOnCut,
    ForgetsAcksOnCut,
    StoresHalfABatch,
    ConfirmsWhatBrokeOff,
    DeniesWhatItStored,
}
use Fault::*;

#[tokio::test(start_paused = true)]
async fn every_queue_case_finds_its_defects() {
    let defects: &[(&str, &[Fault])] = &[
        ("messages_are_handed_out_whole", &[DropsSecrets, CountsNoDeliveries]),
        ("messages_are_handed_out_in_the_order_they_were_published", &[ReversesBatches]),
        ("receive_hands_out_at_most_max", &[IgnoresMax]),
        ("an_unacked_message_is_not_handed_out_early", &[HandsOutTwice]),
        ("an_unacked_message_is_handed_out_again", &[AcksWhatItHandsOut, CountsNoDeliveries]),
        ("an_acked_message_is_gone", &[IgnoresAcks]),
        ("a_nacked_message_is_handed_out_again", &[IgnoresNacks, CountsNoDeliveries]),
        ("a_nacked_message_waits_its_time", &[NacksAtOnce, NacksForEver]),
        ("the_longest_times_are_taken", &[RefusesLongTimes, IgnoresNacks, NacksAtOnce]),
        ("receipts_that_are_not_good_are_ignored", &[RefusesRepeatedAcks, NackBringsBackTheAcked]),
        ("receive_ends_when_its_wait_is_over", &[WaitsForEver]),
        ("receive_waits_for_a_publish", &[NeverWaits]),
        ("a_dropped_receive_loses_nothing", &[HandsToTheDropped]),
        ("consumers_share_the_messages", &[HandsOutTwice, HandsOneOutOnly]),
        ("callers_side_by_side_each_keep_their_order", &[MixesCallers]),
        ("depth_tells_ready_from_unacked", &[CountsAllAsReady]),
        ("depth_dates_the_oldest", &[DatesByTheEpoch]),
        ("a_full_queue_stores_nothing_of_a_batch", &[HasNoBound, PublishesOneByOne]),
        ("an_acked_message_makes_room", &[BoundsTheAcked, BoundsOnlyTheReady]),
        ("a_repeated_publish_is_no_error", &[RefusesRepeats]),
        ("a_repeated_publish_is_stored_once_within_the_window", &[StoresRepeats]),
        ("empty_batches_are_no_error", &[RefusesEmptyBatches]),
        ("reopening_keeps_messages", &[ForgetsOnReopen]),
        ("reopening_hands_out_what_was_unacked", &[ForgetsUnackedOnReopen, ForgetsAcksOnReopen]),
        ("a_buried_message_is_a_dead_letter", &[BuriesNothing, BuryAcks, BuriesWithoutReason]),
        ("burying_by_a_receipt_that_is_not_good_does_nothing", &[BuriesTheAcked]),
        ("a_long_reason_is_cut", &[KeepsLongReasons]),
        ("a_message_that_nobody_acks_becomes_a_dead_letter", &[NeverGivesUp, DropsWhatItGivesUp]),
        ("bytes_that_are_no_message_become_a_dead_letter", &[EndsReceiveAtForeignBytes, DropsForeignBytes]),
        ("dead_letters_are_listed_oldest_first_and_stay", &[ListsNewestFirst, ListTakes]),
        ("a_redriven_dead_letter_is_handed_out_as_if_new", &[RedrivesInFront, RedrivesTwice, RedriveCountsOn]),
        ("a_discarded_dead_letter_is_gone", &[DiscardsNothing, DiscardsAll]),
        ("dead_letters_take_no_room", &[BoundsTheDead]),
        ("reopening_keeps_dead_letters", &[ForgetsDeadOnReopen]),
        ("a_lost_connection_is_made_again", &[NeverReconnects]),
        ("what_a_lost_connection_had_comes_again", &[LosesUnackedOnCut, ForgetsAcksOnCut]),
        ("a_batch_that_broke_off_can_be_repeated", &[StoresHalfABatch, ConfirmsWhatBrokeOff, DeniesWhatItStored]),
    ];
    every_case_finds_its_defects::<FaultyQueue>(queue::cases(), defects).await;
}

#[derive(Debug)]
pub(crate) struct FaultyQueue {
    fault: Option<Fault>,
    clock: ManualClock,
    inner: Mutex<Arc<MemoryQueue>>,
    notes: Mutex<Notes>,
}

/// What the wrapper knows of its queue: a dedupe window that a sound one needs too, and what defects need.
#[derive(Debug, Default)]
struct Notes {
    published: BTreeSet<BuildId>,
    handed_out: BTreeMap<Receipt, Message>,
    acked: BTreeSet<Receipt>,
    waiting: usize,
    reopened: bool,
    cut: Option<Cut>,
    was_cut: bool,
    foreign: Vec<Vec<u8>>,
    redriven: BTreeSet<BuildId>,
}

impl FaultyQueue {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn inner(&self) -> Arc<MemoryQueue> {
        self.inner.lock().unwrap().clone()
    }

    fn fresh(fault: Option<Fault>, clock: &ManualClock) -> Arc<MemoryQueue> {
        let limit = match fault {
            Some(HasNoBound | BoundsTheAcked | BoundsOnlyTheReady) => 1_000,
            _ => LIMIT as usize,
        };
        let max_deliveries = if fault == Some(NeverGivesUp) { 1_000 } else { 3 };
        let queue = MemoryQueue::new(limit, Duration::from_secs(30), Arc::new(clock.clone()));
        Arc::new(queue.with_max_deliveries(max_deliveries))
    }

    /// What of a batch is new, as the inner queue gets it.
    fn altered(&self, batch: &[Message]) -> Vec<Message> {
        let mut notes = self.notes.lock().unwrap();
        let mut batch = batch.to_vec();
        match self.fault {
            Some(StoresRepeats) => {}
            Some(HandsToTheDropped) if notes.waiting > 0 => batch.clear(),
            _ => batch.retain(|message| !notes.published.contains(&message.build.id)),
        }
        notes.published.extend(batch.iter().map(|message| message.build.id));
        if self.has(DropsSecrets) {
            batch.iter_mut().for_each(|message| message.build.spec.secrets.clear());
        }
        if self.has(ReversesBatches) {
            batch.reverse();
        }
        batch
    }

    /// What the broken connection does to this call.
    fn connected(&self) -> Result<(), QueueError> {
        let mut notes = self.notes.lock().unwrap();
        if notes.cut == Some(Cut::Now) {
            if !self.has(NeverReconnects) {
                notes.cut = None;
            }
            return Err(QueueError::Unavailable("the connection is lost".into()));
        }
        Ok(())
    }

    /// The batch that the broken connection cut off: what is sound is to store none of it, or all.
    async fn broke_off(&self, batch: &[Message]) -> Result<(), QueueError> {
        self.notes.lock().unwrap().cut = None;
        let stored = match self.fault {
            Some(StoresHalfABatch) => &batch[..batch.len() / 2],
            Some(ConfirmsWhatBrokeOff) => &[],
            _ => batch,
        };
        let stored = self.altered(stored);
        self.inner().publish(&stored).await?;
        match self.fault {
            Some(ConfirmsWhatBrokeOff) => Ok(()),
            Some(DeniesWhatItStored) => Err(QueueError::Unavailable("the connection broke".into())),
            _ => Err(QueueError::Unknown("the connection broke".into())),
        }
    }

    /// The dead letters of the inner queue, with what was injected.
    async fn all_dead(&self) -> Result<Vec<DeadLetter>, QueueError> {
        let mut letters = self.inner().dead_letters(usize::MAX).await?;
        let foreign = self.notes.lock().unwrap().foreign.clone();
        letters.extend(foreign.into_iter().enumerate().map(|(n, bytes)| DeadLetter {
            id: DeadLetterId(format!("foreign {n}")),
            body: DeadBody::Unreadable(bytes),
            reason: DeadReason::Unreadable("foreign".to_owned()),
            deliveries: 0,
            died_at: None,
        }));
        Ok(letters)
    }

    async fn refuse(&self, batch: &[Message]) -> Result<(), QueueError> {
        let depth = self.inner().depth().await?;
        let notes = self.notes.lock().unwrap();
        let taken = match self.fault {
            Some(BoundsTheAcked) => notes.published.len() as u64,
            Some(BoundsOnlyTheReady) => depth.ready,
            Some(BoundsTheDead) => depth.ready + depth.dead,
            Some(RefusesEmptyBatches) if batch.is_empty() => LIMIT + 1,
            Some(RefusesRepeats) if batch.iter().any(|message| notes.published.contains(&message.build.id)) => LIMIT,
            _ => return Ok(()),
        };
        if taken + batch.len() as u64 > LIMIT { Err(QueueError::Full { limit: LIMIT }) } else { Ok(()) }
    }
}

impl Faulty for FaultyQueue {
    type Port = dyn Queue;
    type Fault = Fault;

    fn new(fault: Option<Fault>, clock: ManualClock) -> Self {
        let inner = Mutex::new(Self::fresh(fault, &clock));
        FaultyQueue { fault, clock, inner, notes: Mutex::default() }
    }

    fn port(self: Arc<Self>) -> Arc<dyn Queue> {
        self
    }

    fn cut(&self, when: Cut) -> bool {
        let mut notes = self.notes.lock().unwrap();
        notes.cut = Some(when);
        notes.was_cut = true;
        true
    }

    fn inject(&self, bytes: &[u8]) -> bool {
        self.notes.lock().unwrap().foreign.push(bytes.to_vec());
        true
    }

    fn reopened(&self) {
        self.notes.lock().unwrap().reopened = true;
        if matches!(self.fault, Some(ForgetsOnReopen | ForgetsDeadOnReopen)) {
            *self.inner.lock().unwrap() = Self::fresh(self.fault, &self.clock);
        }
    }
}

#[async_trait]
impl Queue for FaultyQueue {
    fn capabilities(&self) -> QueueCapabilities {
        let dedupe_window = Some(Duration::from_secs(3_600));
        QueueCapabilities { dedupe_window, durable: true, max_deliveries: Some(3), ..self.inner().capabilities() }
    }

    async fn publish(&self, batch: &[Message]) -> Result<(), QueueError> {
        self.connected()?;
        if self.notes.lock().unwrap().cut == Some(Cut::InTheNextBatch) {
            return self.broke_off(batch).await;
        }
        self.refuse(batch).await?;
        let batch = self.altered(batch);
        if self.has(PublishesOneByOne) {
            for message in &batch {
                self.inner().publish(std::slice::from_ref(message)).await?;
            }
            return Ok(());
        }
        let answer = self.inner().publish(&batch).await;
        if answer.is_err() {
            let mut notes = self.notes.lock().unwrap();
            notes.published.retain(|id| batch.iter().all(|message| message.build.id != *id));
        }
        answer
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.connected()?;
        if self.has(EndsReceiveAtForeignBytes) && !self.notes.lock().unwrap().foreign.is_empty() {
            return Err(QueueError::Corrupt("foreign bytes".into()));
        }
        let max = match self.fault {
            Some(IgnoresMax) => usize::MAX,
            Some(HandsOneOutOnly) if !self.notes.lock().unwrap().handed_out.is_empty() => 0,
            _ => max,
        };
        let wait = match self.fault {
            Some(WaitsForEver) => Duration::from_secs(24 * 3_600),
            Some(NeverWaits) => Duration::ZERO,
            _ => wait,
        };
        let (reopened, was_cut) = {
            let notes = self.notes.lock().unwrap();
            (notes.reopened, notes.was_cut)
        };
        if self.has(ForgetsUnackedOnReopen) && reopened || self.has(LosesUnackedOnCut) && was_cut {
            let known: Vec<_> = self.notes.lock().unwrap().handed_out.keys().cloned().collect();
            self.inner().ack(&known).await?;
        }
        self.notes.lock().unwrap().waiting += 1;
        let mut deliveries = self.inner().receive(max, wait).await?;
        self.notes.lock().unwrap().waiting -= 1;
        let receipts: Vec<Receipt> = deliveries.iter().map(|delivery| delivery.receipt.clone()).collect();
        match self.fault {
            Some(HandsOutTwice) => self.inner().nack(&receipts, Duration::ZERO).await?,
            Some(AcksWhatItHandsOut) => self.inner().ack(&receipts).await?,
            Some(CountsNoDeliveries) => deliveries.iter_mut().for_each(|delivery| delivery.deliveries = 0),
            Some(MixesCallers) => deliveries.reverse(),
            Some(RedriveCountsOn) => {
                let redriven = self.notes.lock().unwrap().redriven.clone();
                let known = deliveries.iter_mut().filter(|delivery| redriven.contains(&delivery.message.build.id));
                known.for_each(|delivery| delivery.deliveries += 1);
            }
            _ => {}
        }
        let known = deliveries.iter().map(|delivery| (delivery.receipt.clone(), delivery.message.clone()));
        self.notes.lock().unwrap().handed_out.extend(known);
        Ok(deliveries)
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        let repeated = {
            let mut notes = self.notes.lock().unwrap();
            let before = notes.acked.len();
            notes.acked.extend(receipts.iter().cloned());
            notes.acked.len() == before
        };
        self.connected()?;
        let was_cut = self.notes.lock().unwrap().was_cut;
        match self.fault {
            Some(IgnoresAcks | ForgetsAcksOnReopen) => Ok(()),
            Some(ForgetsAcksOnCut) if was_cut => Ok(()),
            Some(RefusesRepeatedAcks) if repeated => Err(QueueError::Unavailable("it was acked before".into())),
            _ => self.inner().ack(receipts).await,
        }
    }

    async fn nack(&self, receipts: &[Receipt], after: Duration) -> Result<(), QueueError> {
        let acked = {
            let notes = self.notes.lock().unwrap();
            let acked = receipts.iter().filter(|receipt| notes.acked.contains(receipt));
            acked.filter_map(|receipt| notes.handed_out.get(receipt).cloned()).collect::<Vec<_>>()
        };
        match self.fault {
            Some(IgnoresNacks) => Ok(()),
            Some(RefusesLongTimes) if after == Duration::MAX => Err(QueueError::Unavailable("too long".into())),
            Some(NacksAtOnce) => self.inner().nack(receipts, Duration::ZERO).await,
            Some(NacksForEver) => self.inner().nack(receipts, after * 100).await,
            Some(NackBringsBackTheAcked) if !acked.is_empty() => self.inner().publish(&acked).await,
            _ => self.inner().nack(receipts, after).await,
        }
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let depth = self.inner().depth().await?;
        let depth = Depth { dead: self.all_dead().await?.len() as u64, ..depth };
        Ok(match self.fault {
            Some(CountsAllAsReady) => Depth { ready: depth.ready + depth.unacked, unacked: 0, ..depth },
            Some(DatesByTheEpoch) => Depth { oldest: depth.oldest.map(|_| Timestamp::EPOCH), ..depth },
            _ => depth,
        })
    }
}

#[async_trait]
impl DeadLetters for FaultyQueue {
    async fn bury(&self, receipts: &[Receipt], reason: &str) -> Result<(), QueueError> {
        match self.fault {
            Some(BuriesNothing) => Ok(()),
            Some(BuryAcks) => self.inner().ack(receipts).await,
            Some(BuriesWithoutReason) => self.inner().bury(receipts, "").await,
            Some(BuriesTheAcked) => {
                let known = |receipt| self.notes.lock().unwrap().handed_out.get(receipt).cloned();
                let messages: Vec<Message> = receipts.iter().filter_map(known).collect();
                self.inner().publish(&messages).await?;
                let again = self.inner().receive(usize::MAX, Duration::ZERO).await?;
                let receipts: Vec<Receipt> = again.into_iter().map(|delivery| delivery.receipt).collect();
                self.inner().bury(&receipts, reason).await
            }
            _ => self.inner().bury(receipts, reason).await,
        }
    }

    async fn dead_letters(&self, max: usize) -> Result<Vec<DeadLetter>, QueueError> {
        let mut letters = self.all_dead().await?;
        match self.fault {
            Some(DropsWhatItGivesUp) => letters.retain(|letter| letter.reason != DeadReason::TooManyDeliveries),
            Some(DropsForeignBytes) => letters.retain(|letter| matches!(letter.body, DeadBody::Message(_))),
            Some(ListsNewestFirst) => letters.reverse(),
            Some(KeepsLongReasons) => {
                letters.iter_mut().for_each(|letter| letter.reason = DeadReason::Buried("é".repeat(1_024)));
            }
            _ => {}
        }
        letters.truncate(max);
        if self.has(ListTakes) {
            self.inner().discard(&letters.iter().map(|letter| letter.id.clone()).collect::<Vec<_>>()).await?;
        }
        Ok(letters)
    }

    async fn redrive(&self, ids: &[DeadLetterId]) -> Result<u64, QueueError> {
        let foreign = ids.iter().filter(|id| id.0.starts_with("foreign")).count() as u64;
        let named: Vec<DeadLetter> =
            self.all_dead().await?.into_iter().filter(|letter| ids.contains(&letter.id)).collect();
        let messages: Vec<Message> = named
            .into_iter()
            .filter_map(|letter| match letter.body {
                DeadBody::Message(message) => Some(*message),
                DeadBody::Unreadable(_) => None,
            })
            .collect();
        self.notes.lock().unwrap().redriven.extend(messages.iter().map(|message| message.build.id));
        if self.has(RedrivesInFront) {
            let waiting = self.inner().receive(usize::MAX, Duration::ZERO).await?;
            let moved = self.inner().redrive(ids).await?;
            let behind: Vec<Message> = waiting.iter().map(|delivery| delivery.message.clone()).collect();
            self.inner().publish(&behind).await?;
            self.inner().ack(&waiting.into_iter().map(|delivery| delivery.receipt).collect::<Vec<_>>()).await?;
            return Ok(moved);
        }
        if self.has(RedrivesTwice) {
            self.inner().publish(&messages).await?;
        }
        Ok(self.inner().redrive(ids).await? + foreign)
    }

    async fn discard(&self, ids: &[DeadLetterId]) -> Result<u64, QueueError> {
        match self.fault {
            Some(DiscardsNothing) => Ok(ids.len() as u64),
            Some(DiscardsAll) => {
                let all: Vec<DeadLetterId> = self.all_dead().await?.into_iter().map(|letter| letter.id).collect();
                let count = ids.iter().filter(|id| all.contains(id)).count() as u64;
                self.inner().discard(&all).await?;
                Ok(count)
            }
            _ => self.inner().discard(ids).await,
        }
    }
}
