//! The scheduler side: it admits, and starts nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::memory::MemoryLogStore;
use netbuild_core::model::{BuildId, ExecutorName, Rank, Timestamp};
use netbuild_core::policy::Fifo;
use netbuild_core::port::{
    DeadLetter, DeadLetterId, DeadLetters, Delivery, Depth, FixedRouter, Ledger, Message, NoObserver, NoSecrets, Queue,
    QueueCapabilities, QueueError, Receipt, SystemClock,
};
use netbuild_core::scheduler::{Handle, Scheduler, SchedulerConfig, SchedulerPorts};
use netbuild_core::testkit::{FakeExecutor, Play, TokioClock, deploy_of, fixtures};
use netbuild_queue::sqlite::{SqliteLedger, SqliteOptions, SqliteStore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) struct Consumer {
    pub(crate) handle: Handle,
    pub(crate) queue: Arc<Counted>,
    ledger: Arc<SqliteLedger>,
    shutdown: CancellationToken,
    task: JoinSet<()>,
}

impl Consumer {
    pub(crate) async fn start(queue: Arc<dyn Queue>, ledger: &Path) -> Self {
        let clock = Arc::new(SystemClock::new());
        let store = SqliteStore::open(ledger, SqliteOptions::default(), clock.clone()).await.unwrap();
        let (ledger, queue) = (Arc::new(store.ledger()), Arc::new(Counted { queue, received: AtomicU64::new(0) }));
        let name = ExecutorName::new("none").unwrap();
        let time = TokioClock::new(Timestamp::EPOCH);
        let script = |request: &netbuild_core::port::StartRequest| {
            Play::deploys_after(Duration::ZERO, deploy_of(&request.job.attempt))
        };
        let (executor, attempts) = FakeExecutor::new(time, script);
        attempts.set_slots(Some(0));
        let ports = SchedulerPorts {
            queue: queue.clone(),
            ledger: ledger.clone(),
            executors: BTreeMap::from([(name.clone(), Arc::new(executor) as _)]),
            router: Arc::new(FixedRouter::new(name)),
            secrets: Arc::new(NoSecrets),
            logs: Arc::new(MemoryLogStore::new(1 << 20)),
            observer: Arc::new(NoObserver),
            clock,
        };
        let mut config = SchedulerConfig::new(fixtures::holder("campaign"), "http://127.0.0.1:1");
        config.max_open_builds = 1_000_000;
        let scheduler = Scheduler::new(ports, config, Box::new(|| Box::new(Fifo::new())));
        let (handle, shutdown) = (scheduler.handle(), CancellationToken::new());
        let (mut task, token) = (JoinSet::new(), shutdown.clone());
        task.spawn(async move { scheduler.run(token).await.unwrap() });
        Consumer { handle, queue, ledger, shutdown, task }
    }

    /// All that was admitted, in order.
    pub(crate) async fn admitted(&self) -> Vec<BuildId> {
        let (mut builds, mut after) = (Vec::new(), Rank::default());
        loop {
            let page = self.ledger.open_builds(after, 10_000).await.unwrap();
            let Some(last) = page.last() else { return builds };
            after = last.rank;
            builds.extend(page.into_iter().map(|record| record.build.id));
        }
    }

    /// How many builds are admitted and how many gaps were given up.
    pub(crate) async fn progress(&self) -> (u64, u64) {
        match self.handle.status().await {
            Ok(status) => (status.engine.queued, status.gaps),
            Err(_) => (0, 0),
        }
    }

    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        while self.task.join_next().await.is_some() {}
    }
}

/// A queue that counts what it hands out.
#[derive(Debug)]
pub(crate) struct Counted {
    queue: Arc<dyn Queue>,
    pub(crate) received: AtomicU64,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Queue for Counted {
    fn capabilities(&self) -> QueueCapabilities {
        self.queue.capabilities()
    }

    async fn publish(&self, batch: &[Message]) -> Result<(), QueueError> {
        self.queue.publish(batch).await
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let deliveries = self.queue.receive(max, wait).await?;
        self.received.fetch_add(deliveries.len() as u64, Ordering::Relaxed);
        Ok(deliveries)
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
#[deny(clippy::missing_trait_methods)]
impl DeadLetters for Counted {
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
