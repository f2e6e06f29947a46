//! Queues that are wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::memory::MemoryQueue;
use netbuild_core::model::{BuildId, Timestamp};
use netbuild_core::port::{Delivery, Depth, Message, Queue, QueueCapabilities, QueueError, Receipt};
use netbuild_core::testkit::ManualClock;
use netbuild_core::testkit::conformance::queue;

use super::{Faulty, every_case_finds_its_defects};
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
        ("receipts_that_are_not_good_are_ignored", &[RefusesRepeatedAcks, NackBringsBackTheAcked]),
        ("receive_ends_when_its_wait_is_over", &[WaitsForEver]),
        ("receive_waits_for_a_publish", &[NeverWaits]),
        ("a_dropped_receive_loses_nothing", &[HandsToTheDropped]),
        ("consumers_share_the_messages", &[HandsOutTwice, HandsOneOutOnly]),
        ("depth_tells_ready_from_unacked", &[CountsAllAsReady]),
        ("depth_dates_the_oldest", &[DatesByTheEpoch]),
        ("a_full_queue_stores_nothing_of_a_batch", &[HasNoBound, PublishesOneByOne]),
        ("an_acked_message_makes_room", &[BoundsTheAcked, BoundsOnlyTheReady]),
        ("a_repeated_publish_is_no_error", &[RefusesRepeats]),
        ("a_repeated_publish_is_stored_once_within_the_window", &[StoresRepeats]),
        ("empty_batches_are_no_error", &[RefusesEmptyBatches]),
        ("reopening_keeps_messages", &[ForgetsOnReopen]),
        ("reopening_hands_out_what_was_unacked", &[ForgetsUnackedOnReopen, ForgetsAcksOnReopen]),
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
        Arc::new(MemoryQueue::new(limit, Duration::from_secs(30), Arc::new(clock.clone())))
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

    async fn refuse(&self, batch: &[Message]) -> Result<(), QueueError> {
        let depth = self.inner().depth().await?;
        let notes = self.notes.lock().unwrap();
        let taken = match self.fault {
            Some(BoundsTheAcked) => notes.published.len() as u64,
            Some(BoundsOnlyTheReady) => depth.ready,
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

    fn reopened(&self) {
        self.notes.lock().unwrap().reopened = true;
        if self.has(ForgetsOnReopen) {
            *self.inner.lock().unwrap() = Self::fresh(self.fault, &self.clock);
        }
    }
}

#[async_trait]
impl Queue for FaultyQueue {
    fn capabilities(&self) -> QueueCapabilities {
        let dedupe_window = Some(Duration::from_secs(3_600));
        QueueCapabilities { dedupe_window, durable: true, ..self.inner().capabilities() }
    }

    async fn publish(&self, batch: &[Message]) -> Result<(), QueueError> {
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
        let reopened = self.notes.lock().unwrap().reopened;
        if self.has(ForgetsUnackedOnReopen) && reopened {
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
        match self.fault {
            Some(IgnoresAcks | ForgetsAcksOnReopen) => Ok(()),
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
            Some(NacksAtOnce) => self.inner().nack(receipts, Duration::ZERO).await,
            Some(NacksForEver) => self.inner().nack(receipts, after * 100).await,
            Some(NackBringsBackTheAcked) if !acked.is_empty() => self.inner().publish(&acked).await,
            _ => self.inner().nack(receipts, after).await,
        }
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let depth = self.inner().depth().await?;
        Ok(match self.fault {
            Some(CountsAllAsReady) => Depth { ready: depth.ready + depth.unacked, unacked: 0, ..depth },
            Some(DatesByTheEpoch) => Depth { oldest: depth.oldest.map(|_| Timestamp::EPOCH), ..depth },
            _ => depth,
        })
    }
}
