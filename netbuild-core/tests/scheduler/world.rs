//! Everything but the scheduler, in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use netbuild_core::intake::{Publisher, PublisherConfig};
use netbuild_core::memory::{MemoryLedger, MemoryOutbox, MemoryQueue};
use netbuild_core::model::{
    AttemptId, AttemptNumber, BuildKey, BuildRecord, BuildState, Ending, ExecutorName, Timestamp,
};
use netbuild_core::policy::Fifo;
use netbuild_core::port::{
    Clock, Executor, FixedRouter, History, NoObserver, NoSecrets, Observer, Outbox, Secrets, StartRequest,
};
use netbuild_core::scheduler::{Handle, Scheduler, SchedulerConfig, SchedulerPorts};
use netbuild_core::testkit::{
    FakeCall, FakeExecutor, FakeExecutorHandle, FakeLogStore, Play, TokioClock, deploy_of, fixtures,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Everything but the scheduler, so that a scheduler can end and another one follow.
pub(crate) struct World {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) outbox: Arc<MemoryOutbox>,
    pub(crate) queue: Arc<MemoryQueue>,
    pub(crate) ledger: Arc<MemoryLedger>,
    pub(crate) executor: Arc<FakeExecutor>,
    pub(crate) attempts: FakeExecutorHandle,
    pub(crate) publisher: Publisher,
    pub(crate) logs: FakeLogStore,
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) observer: Arc<dyn Observer>,
}

impl World {
    pub(crate) fn new(script: impl Fn(&StartRequest) -> Play + Send + Sync + 'static) -> Self {
        let time = TokioClock::new(Timestamp::from_millis(1_000_000));
        let clock: Arc<dyn Clock> = Arc::new(time);
        let outbox = Arc::new(MemoryOutbox::new(fixtures::publisher("api"), 1, 1_000, clock.clone()));
        let queue = Arc::new(MemoryQueue::new(1_000, Duration::from_secs(30), clock.clone()));
        let publisher = Publisher::new(outbox.clone(), queue.clone(), clock.clone(), PublisherConfig::default());
        let ledger = Arc::new(MemoryLedger::new(10_000, clock.clone()));
        let (executor, attempts) = FakeExecutor::new(time, script);
        attempts.set_slots(Some(2));
        World {
            clock,
            outbox,
            queue,
            ledger,
            executor: Arc::new(executor),
            attempts,
            publisher,
            logs: FakeLogStore::new(64 << 20),
            secrets: Arc::new(NoSecrets),
            observer: Arc::new(NoObserver),
        }
    }

    pub(crate) fn scheduler(&self, holder: &str) -> (Handle, Running) {
        self.scheduler_with(holder, self.executor.clone(), |_| {})
    }

    /// A scheduler over another executor, with another configuration.
    pub(crate) fn scheduler_with(
        &self,
        holder: &str,
        executor: Arc<dyn Executor>,
        change: impl FnOnce(&mut SchedulerConfig),
    ) -> (Handle, Running) {
        let name = ExecutorName::new("scripted").unwrap();
        let ports = SchedulerPorts {
            queue: self.queue.clone(),
            ledger: self.ledger.clone(),
            executors: BTreeMap::from([(name.clone(), executor)]),
            router: Arc::new(FixedRouter::new(name)),
            secrets: self.secrets.clone(),
            logs: Arc::new(self.logs.clone()),
            observer: self.observer.clone(),
            clock: self.clock.clone(),
        };
        let mut config = SchedulerConfig::new(fixtures::holder(holder), "http://127.0.0.1:1");
        change(&mut config);
        let scheduler = Scheduler::new(ports, config, Box::new(|| Box::new(Fifo::new())));
        let handle = scheduler.handle();
        let shutdown = CancellationToken::new();
        let mut task = JoinSet::new();
        let token = shutdown.clone();
        task.spawn(async move { scheduler.run(token).await.unwrap() });
        (handle, Running { task, shutdown })
    }

    pub(crate) async fn submit(&self, numbers: std::ops::Range<u64>) -> Vec<BuildKey> {
        let mut keys = Vec::new();
        for n in numbers {
            // A project each: of one project an older deploy that ends later stays invisible.
            let mut build = fixtures::build("acme", &format!("site-{n}"), n);
            build.spec.secrets.clear();
            keys.push(build.key());
            self.outbox.record(&[fixtures::event(build)]).await.unwrap();
        }
        self.publisher.publish_pending().await.unwrap();
        keys
    }

    pub(crate) async fn record(&self, key: &BuildKey) -> BuildRecord {
        self.ledger.build(key).await.unwrap().unwrap()
    }

    /// The attempts that were started, in order.
    pub(crate) fn starts(&self) -> Vec<AttemptId> {
        let start = |call| match call {
            FakeCall::Start(attempt) => Some(attempt),
            _ => None,
        };
        self.attempts.calls().into_iter().filter_map(start).collect()
    }

    /// How the builds end, within an hour of virtual time.
    pub(crate) async fn ended(&self, keys: &[BuildKey]) -> Vec<Ending> {
        tokio::time::timeout(Duration::from_secs(3_600), self.endings(keys)).await.expect("every build ends")
    }

    async fn endings(&self, keys: &[BuildKey]) -> Vec<Ending> {
        let mut endings = Vec::new();
        for key in keys {
            let ending = loop {
                match self.ledger.build(key).await.unwrap().map(|record| record.state) {
                    Some(BuildState::Ended { ending, .. }) => break ending,
                    _ => tokio::time::sleep(Duration::from_secs(1)).await,
                }
            };
            endings.push(ending);
        }
        endings
    }
}

pub(crate) fn first(build: &BuildKey) -> AttemptId {
    build.attempt(AttemptNumber::FIRST)
}

pub(crate) struct Running {
    task: JoinSet<()>,
    shutdown: CancellationToken,
}

impl Running {
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        self.task.join_next().await.unwrap().unwrap();
    }

    /// As a crash ends it: nothing is finished.
    pub(crate) async fn crash(mut self) {
        self.task.shutdown().await;
    }
}

pub(crate) const RUN: Duration = Duration::from_secs(10);

pub(crate) fn deploys(request: &StartRequest) -> Play {
    Play::deploys_after(RUN, deploy_of(&request.job.attempt))
}

pub(crate) fn all_deployed(endings: &[Ending]) -> bool {
    endings.iter().all(|ending| matches!(ending, Ending::Deployed { .. }))
}
