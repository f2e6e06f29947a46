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
use netbuild_core::testkit::fault_proxy::{Direction, FaultProxy};
use netbuild_queue::nats::{NatsOptions, NatsQueue};
use netbuild_servers::NatsServer;
use tokio::sync::watch;

/// A broker, and a network between it and the publisher that can become a black hole.
pub(crate) enum Broker {
    /// A real server, and a fault proxy before it.
    Nats {
        proxy: FaultProxy,
        through: Arc<NatsQueue>,
        beside: Arc<NatsQueue>,
        _server: NatsServer,
    },
    StandIn(StandIn),
}

/// How long the server may take to say that a queue is there.
const OPEN_WAIT: Duration = Duration::from_secs(10);

/// As NATS has it by default.
const REDELIVERY: Duration = Duration::from_secs(30);

impl Broker {
    /// A NATS server of its own in a folder, where there is the program for it; else, and if it is asked for, the stand-in.
    pub(crate) async fn start(
        stand_in: bool,
        folder: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let server = if stand_in { None } else { NatsServer::start(folder.join("nats")).ok() };
        let Some(server) = server else {
            let queue = Arc::new(MemoryQueue::new(1_000_000, REDELIVERY, clock));
            return Ok(Broker::StandIn(StandIn { queue, away: watch::Sender::new(false) }));
        };
        let proxy = FaultProxy::start(server.addr()).await?;
        let options = || NatsOptions {
            open_wait: OPEN_WAIT,
            call_deadline: Duration::from_secs(1),
            monitor: Some(server.monitor()),
            ..NatsOptions::default()
        };
        let beside = NatsQueue::open(&server.url(), options(), clock.clone()).await?;
        let through = NatsQueue::open(&format!("nats://{}", proxy.addr()), options(), clock).await?;
        Ok(Broker::Nats { proxy, through: Arc::new(through), beside: Arc::new(beside), _server: server })
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Broker::Nats { .. } => "a nats-server of its own behind a fault proxy",
            Broker::StandIn(_) => {
                "a stand-in in memory; with nats-server 2.10.23 or newer in PATH (scripts/nats-server finds one) it is real"
            }
        }
    }

    /// The queue as the publisher reaches it: over the network.
    pub(crate) fn publish_to(&self) -> Arc<dyn Queue> {
        match self {
            Broker::Nats { through, .. } => through.clone(),
            Broker::StandIn(stand_in) => Arc::new(stand_in.clone()),
        }
    }

    /// The queue as the consumer reaches it, who stands beside the broker.
    pub(crate) fn receive_from(&self) -> Arc<dyn Queue> {
        match self {
            Broker::Nats { beside, .. } => beside.clone(),
            Broker::StandIn(stand_in) => stand_in.queue.clone(),
        }
    }

    pub(crate) fn partition(&self) {
        match self {
            Broker::Nats { proxy, .. } => proxy.black_hole(&[Direction::ToServer, Direction::ToClient]),
            Broker::StandIn(stand_in) => drop(stand_in.away.send_replace(true)),
        }
    }

    pub(crate) fn heal(&self) {
        match self {
            Broker::Nats { proxy, .. } => proxy.heal(),
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
