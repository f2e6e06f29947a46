//! The broker and the network before it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::memory::MemoryQueue;
use netbuild_core::port::{
    Clock, DeadLetter, DeadLetterId, DeadLetters, Delivery, Depth, Message, Queue, QueueCapabilities, QueueError,
    Receipt,
};
use tokio::sync::watch;

/// A broker, and a network between it and the publisher that can become a black hole.
pub(crate) enum Broker {
    StandIn(StandIn),
}

/// As NATS has it by default.
const REDELIVERY: Duration = Duration::from_secs(30);

impl Broker {
    pub(crate) async fn start(
        _stand_in: bool,
        _folder: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let queue = Arc::new(MemoryQueue::new(1_000_000, REDELIVERY, clock));
        Ok(Broker::StandIn(StandIn { queue, away: watch::Sender::new(false) }))
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Broker::StandIn(_) => "a stand-in in memory: there is no nats-server here",
        }
    }

    /// The queue as the publisher reaches it: over the network.
    pub(crate) fn publish_to(&self) -> Arc<dyn Queue> {
        match self {
            Broker::StandIn(stand_in) => Arc::new(stand_in.clone()),
        }
    }

    /// The queue as the consumer reaches it, who stands beside the broker.
    pub(crate) fn receive_from(&self) -> Arc<dyn Queue> {
        match self {
            Broker::StandIn(stand_in) => stand_in.queue.clone(),
        }
    }

    pub(crate) fn partition(&self) {
        match self {
            Broker::StandIn(stand_in) => drop(stand_in.away.send_replace(true)),
        }
    }

    pub(crate) fn heal(&self) {
        match self {
            Broker::StandIn(stand_in) => drop(stand_in.away.send_replace(false)),
        }
    }
}

/// A queue in memory behind a network that swallows what is sent while it is away.
#[derive(Clone, Debug)]
pub(crate) struct StandIn {
    queue: Arc<MemoryQueue>,
    away: watch::Sender<bool>,
}

impl StandIn {
    /// Waits for the network, as long as it takes.
    async fn reach(&self) {
        // Its sender is here.
        let _ = self.away.subscribe().wait_for(|away| !away).await;
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Queue for StandIn {
    fn capabilities(&self) -> QueueCapabilities {
        self.queue.capabilities()
    }

    async fn publish(&self, batch: &[Message]) -> Result<(), QueueError> {
        self.reach().await;
        self.queue.publish(batch).await
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.reach().await;
        self.queue.receive(max, wait).await
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        self.reach().await;
        self.queue.ack(receipts).await
    }

    async fn nack(&self, receipts: &[Receipt], after: Duration) -> Result<(), QueueError> {
        self.reach().await;
        self.queue.nack(receipts, after).await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        self.reach().await;
        self.queue.depth().await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl DeadLetters for StandIn {
    async fn bury(&self, receipts: &[Receipt], reason: &str) -> Result<(), QueueError> {
        self.reach().await;
        self.queue.bury(receipts, reason).await
    }

    async fn dead_letters(&self, max: usize) -> Result<Vec<DeadLetter>, QueueError> {
        self.reach().await;
        self.queue.dead_letters(max).await
    }

    async fn redrive(&self, ids: &[DeadLetterId]) -> Result<u64, QueueError> {
        self.reach().await;
        self.queue.redrive(ids).await
    }

    async fn discard(&self, ids: &[DeadLetterId]) -> Result<u64, QueueError> {
        self.reach().await;
        self.queue.discard(ids).await
    }
}
