//! A broker that is told how to behave.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::intake::{Publisher, PublisherConfig};
use netbuild_core::memory::{MemoryOutbox, MemoryQueue};
use netbuild_core::model::Timestamp;
use netbuild_core::port::{
    Clock, DeadLetter, DeadLetterId, DeadLetters, Delivery, Depth, Message, Outbox, Queue, QueueCapabilities,
    QueueError, Receipt,
};
use netbuild_core::testkit::TokioClock;
use netbuild_core::testkit::fixtures::{build, event, publisher};
use tokio::time::Instant;

/// What a publish meets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    /// It is stored and confirmed.
    Up,
    /// Nothing listens.
    Down,
    /// It is stored, and the confirmation never comes.
    Mute,
    /// Nothing is stored, and no answer ever comes.
    Hung,
}

/// A publish as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) at: Instant,
    pub(crate) seqs: Vec<u64>,
}

#[derive(Debug)]
pub(crate) struct Broker {
    queue: MemoryQueue,
    way: Mutex<Way>,
    arrived: Mutex<Vec<Arrived>>,
}

impl Broker {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Self::with_room(100_000, clock)
    }

    /// A broker that keeps so many messages at most.
    pub(crate) fn with_room(limit: usize, clock: Arc<dyn Clock>) -> Arc<Self> {
        let queue = MemoryQueue::new(limit, Duration::from_secs(30), clock);
        Arc::new(Broker { queue, way: Mutex::new(Way::Up), arrived: Mutex::default() })
    }

    pub(crate) fn be(&self, way: Way) {
        *self.way.lock().unwrap() = way;
    }

    /// Every publish that reached it since the last question.
    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        std::mem::take(&mut self.arrived.lock().unwrap())
    }

    /// The seqs of all that is stored, in order.
    pub(crate) async fn stored(&self) -> Vec<u64> {
        let deliveries = self.queue.receive(usize::MAX, Duration::ZERO).await.unwrap();
        deliveries.iter().map(|delivery| delivery.message.place.seq).collect()
    }
}

#[async_trait]
impl Queue for Broker {
    fn capabilities(&self) -> QueueCapabilities {
        self.queue.capabilities()
    }

    async fn publish(&self, batch: &[Message]) -> Result<(), QueueError> {
        let seqs = batch.iter().map(|message| message.place.seq).collect();
        self.arrived.lock().unwrap().push(Arrived { at: Instant::now(), seqs });
        let way = *self.way.lock().unwrap();
        match way {
            Way::Up => self.queue.publish(batch).await,
            Way::Down => Err(QueueError::Unavailable("nothing listens".into())),
            Way::Mute => {
                self.queue.publish(batch).await?;
                std::future::pending().await
            }
            Way::Hung => std::future::pending().await,
        }
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.queue.receive(max, wait).await
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        self.queue.ack(receipts).await
    }

    async fn nack(&self, receipts: &[Receipt], after: Duration) -> Result<(), QueueError> {
        self.queue.nack(receipts, after).await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        self.queue.depth().await
    }
}

#[async_trait]
impl DeadLetters for Broker {
    async fn bury(&self, receipts: &[Receipt], reason: &str) -> Result<(), QueueError> {
        self.queue.bury(receipts, reason).await
    }

    async fn dead_letters(&self, max: usize) -> Result<Vec<DeadLetter>, QueueError> {
        self.queue.dead_letters(max).await
    }

    async fn redrive(&self, ids: &[DeadLetterId]) -> Result<u64, QueueError> {
        self.queue.redrive(ids).await
    }

    async fn discard(&self, ids: &[DeadLetterId]) -> Result<u64, QueueError> {
        self.queue.discard(ids).await
    }
}

/// An outbox, a broker and the publisher between them.
pub(crate) struct World {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) outbox: Arc<MemoryOutbox>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) publisher: Arc<Publisher>,
}

pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
pub(crate) const RATE: u32 = 100;

pub(crate) fn config() -> PublisherConfig {
    PublisherConfig {
        batch: 10,
        drain_rate: std::num::NonZeroU32::new(RATE),
        deadline: DEADLINE,
        ..PublisherConfig::default()
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::new(Timestamp::from_millis(1_000_000)));
        let broker = Broker::new(clock.clone());
        Self::with("api", broker, clock)
    }

    /// Another process beside others, with an outbox of its own.
    pub(crate) fn with(name: &str, broker: Arc<Broker>, clock: Arc<dyn Clock>) -> Self {
        let outbox = Arc::new(MemoryOutbox::new(publisher(name), 1, 100_000, clock.clone()));
        let publisher = Arc::new(Publisher::new(outbox.clone(), broker.clone(), clock.clone(), config()));
        World { clock, outbox, broker, publisher }
    }

    /// The publisher's process ends and begins anew; what it had in memory is gone.
    pub(crate) fn restart(&mut self) {
        let (outbox, broker) = (self.outbox.clone(), self.broker.clone());
        self.publisher = Arc::new(Publisher::new(outbox, broker, self.clock.clone(), config()));
    }

    pub(crate) async fn record(&self, numbers: std::ops::RangeInclusive<u64>) {
        for n in numbers {
            self.outbox.record(&[event(build("acme", "site", n))]).await.unwrap();
        }
    }
}
