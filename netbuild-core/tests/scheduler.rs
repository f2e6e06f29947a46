//! The driver over stores in memory, in paused time.

#![expect(clippy::unwrap_used, reason = "this is a test")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use netbuild_core::engine::EngineConfig;
use netbuild_core::intake::{Publisher, PublisherConfig};
use netbuild_core::memory::{MemoryLedger, MemoryLogStore, MemoryOutbox, MemoryQueue};
use netbuild_core::model::{
    AttemptId, AttemptNumber, BuildKey, BuildRecord, BuildState, CancelReason, Cause, Ending, ExecutorName, Report,
    RunPhase, Timestamp,
};
use netbuild_core::policy::Fifo;
use netbuild_core::port::{
    AttemptControl, Clock, Executor, ExecutorCapabilities, ExecutorError, ExecutorEvent, FixedRouter, Heartbeat,
    History, Listing, LogChunk, NoObserver, NoSecrets, Observed, Order, Outbox, Phase, Queue, StartError, StartRequest,
    Started,
};
use netbuild_core::scheduler::{CancelAnswer, Handle, Scheduler, SchedulerConfig, SchedulerPorts};
use netbuild_core::testkit::{TokioClock, fixtures};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Runs each attempt for ten seconds and then ends it as the script says; tells it by lists alone.
#[derive(Debug)]
struct ScriptedExecutor {
    clock: Arc<dyn Clock>,
    attempts: Mutex<BTreeMap<BuildKey, (AttemptNumber, Timestamp, bool)>>,
    script: fn(&AttemptId) -> Report,
    starts: Mutex<Vec<AttemptId>>,
}

const RUN: Duration = Duration::from_secs(10);

impl ScriptedExecutor {
    fn new(clock: Arc<dyn Clock>, script: fn(&AttemptId) -> Report) -> Arc<Self> {
        Arc::new(ScriptedExecutor { clock, attempts: Mutex::default(), script, starts: Mutex::default() })
    }

    fn observe(&self, key: &BuildKey, &(number, since, cancelled): &(AttemptNumber, Timestamp, bool)) -> Observed {
        let attempt = key.attempt(number);
        let over = self.clock.now().since(since) >= RUN;
        let phase = match (cancelled, over) {
            (true, _) => Phase::Ended { report: Report::of(netbuild_core::model::Outcome::Cancelled) },
            (false, true) => Phase::Ended { report: (self.script)(&attempt) },
            (false, false) => Phase::Running { since },
        };
        Observed { attempt, host: None, phase }
    }
}

#[async_trait]
impl Executor for ScriptedExecutor {
    fn capabilities(&self) -> ExecutorCapabilities {
        ExecutorCapabilities { slots: Some(2), images: false, survives_scheduler: true, cancel_grace: true }
    }

    async fn start(&self, request: &StartRequest) -> Result<Started, StartError> {
        let attempt = request.job.attempt.clone();
        let mut attempts = self.attempts.lock().unwrap();
        if let Some(known) = attempts.get(&attempt.build)
            && known.0 == attempt.number
        {
            return Ok(Started::Adopted { observed: self.observe(&attempt.build, known) });
        }
        self.starts.lock().unwrap().push(attempt.clone());
        attempts.insert(attempt.build, (attempt.number, self.clock.now(), false));
        Ok(Started::Created { host: None })
    }

    async fn cancel(&self, attempt: &AttemptId, _grace: Duration) -> Result<(), ExecutorError> {
        if let Some(known) = self.attempts.lock().unwrap().get_mut(&attempt.build) {
            known.2 = true;
        }
        Ok(())
    }

    async fn list(&self) -> Result<Listing, ExecutorError> {
        let attempts = self.attempts.lock().unwrap();
        let attempts = attempts.iter().map(|(key, known)| self.observe(key, known)).collect();
        Ok(Listing { attempts, complete: true })
    }

    async fn events(&self) -> Result<BoxStream<'static, ExecutorEvent>, ExecutorError> {
        Ok(futures_util::stream::pending().boxed())
    }

    async fn logs(&self, _attempt: &AttemptId, from: u64, _max: usize) -> Result<LogChunk, ExecutorError> {
        Ok(LogChunk { offset: from, bytes: Default::default(), end: true })
    }

    async fn remove(&self, attempt: &AttemptId) -> Result<(), ExecutorError> {
        let mut attempts = self.attempts.lock().unwrap();
        if attempts.get(&attempt.build).is_some_and(|known| known.0 == attempt.number) {
            attempts.remove(&attempt.build);
        }
        Ok(())
    }
}

/// Everything but the scheduler, so that a scheduler can end and another one follow.
struct World {
    clock: Arc<dyn Clock>,
    outbox: Arc<MemoryOutbox>,
    queue: Arc<MemoryQueue>,
    ledger: Arc<MemoryLedger>,
    executor: Arc<ScriptedExecutor>,
    publisher: Publisher,
}

impl World {
    fn new(script: fn(&AttemptId) -> Report) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::new(Timestamp::from_millis(1_000_000)));
        let outbox = Arc::new(MemoryOutbox::new(fixtures::publisher("api"), 1, 1_000, clock.clone()));
        let queue = Arc::new(MemoryQueue::new(1_000, Duration::from_secs(30), clock.clone()));
        let publisher = Publisher::new(outbox.clone(), queue.clone(), PublisherConfig::default());
        let ledger = Arc::new(MemoryLedger::new(10_000, clock.clone()));
        let executor = ScriptedExecutor::new(clock.clone(), script);
        World { clock, outbox, queue, ledger, executor, publisher }
    }

    fn scheduler(&self, holder: &str) -> (Handle, Running) {
        let name = ExecutorName::new("scripted").unwrap();
        let ports = SchedulerPorts {
            queue: self.queue.clone(),
            ledger: self.ledger.clone(),
            executors: BTreeMap::from([(name.clone(), self.executor.clone() as Arc<dyn Executor>)]),
            router: Arc::new(FixedRouter::new(name)),
            secrets: Arc::new(NoSecrets),
            logs: Arc::new(MemoryLogStore::new(1 << 20)),
            observer: Arc::new(NoObserver),
            clock: self.clock.clone(),
        };
        let config = SchedulerConfig {
            engine: EngineConfig::default(),
            ..SchedulerConfig::new(fixtures::holder(holder), "http://127.0.0.1:1")
        };
        let scheduler = Scheduler::new(ports, config, Box::new(|| Box::new(Fifo::new())));
        let handle = scheduler.handle();
        let shutdown = CancellationToken::new();
        let mut task = JoinSet::new();
        let token = shutdown.clone();
        task.spawn(async move { scheduler.run(token).await.unwrap() });
        (handle, Running { task, shutdown })
    }

    async fn submit(&self, numbers: std::ops::Range<u64>) -> Vec<BuildKey> {
        let mut keys = Vec::new();
        for n in numbers {
            let mut build = fixtures::build("acme", "site", n);
            build.spec.secrets.clear();
            keys.push(build.key());
            self.outbox.record(&[fixtures::event(build)]).await.unwrap();
        }
        self.publisher.publish_pending().await.unwrap();
        keys
    }

    async fn record(&self, key: &BuildKey) -> BuildRecord {
        self.ledger.build(key).await.unwrap().unwrap()
    }

    async fn ended(&self, keys: &[BuildKey]) -> Vec<Ending> {
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

struct Running {
    task: JoinSet<()>,
    shutdown: CancellationToken,
}

impl Running {
    async fn stop(mut self) {
        self.shutdown.cancel();
        self.task.join_next().await.unwrap().unwrap();
    }

    /// As a crash ends it: nothing is finished.
    async fn crash(mut self) {
        self.task.shutdown().await;
    }
}

fn deploys(_: &AttemptId) -> Report {
    fixtures::succeeded(Some(fixtures::deploy(1)))
}

#[tokio::test(start_paused = true)]
async fn builds_go_from_the_outbox_to_a_deploy() {
    let world = World::new(deploys);
    let (_, scheduler) = world.scheduler("one");
    let keys = world.submit(1..8).await;
    let endings = tokio::time::timeout(Duration::from_secs(600), world.ended(&keys)).await.unwrap();
    assert!(endings.iter().all(|ending| matches!(ending, Ending::Deployed { .. })), "{endings:?}");
    scheduler.stop().await;
    assert!(world.executor.attempts.lock().unwrap().is_empty(), "every attempt is removed");
    assert_eq!(world.queue.depth().await.unwrap().unacked, 0);
    let starts: Vec<_> = world.executor.starts.lock().unwrap().iter().map(|id| id.build.build).collect();
    assert_eq!(starts, keys.iter().map(|key| key.build).collect::<Vec<_>>(), "each once, in order");
}

#[tokio::test(start_paused = true)]
async fn a_crashed_scheduler_is_followed_and_its_attempts_are_adopted() {
    let world = World::new(deploys);
    let (_, first) = world.scheduler("one");
    let keys = world.submit(1..4).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    first.crash().await;
    let (_, second) = world.scheduler("two");
    let endings = tokio::time::timeout(Duration::from_secs(600), world.ended(&keys)).await.unwrap();
    assert!(endings.iter().all(|ending| matches!(ending, Ending::Deployed { .. })), "{endings:?}");
    assert_eq!(world.executor.starts.lock().unwrap().len(), 3, "nothing ran twice");
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn infrastructure_is_retried_and_a_customers_failure_is_not() {
    let world = World::new(|attempt| match attempt.number.get() {
        1 => fixtures::failed(Cause::Lost),
        _ => fixtures::failed(Cause::CommandFailed { code: 3 }),
    });
    let (_, scheduler) = world.scheduler("one");
    let keys = world.submit(1..2).await;
    let endings = tokio::time::timeout(Duration::from_secs(600), world.ended(&keys)).await.unwrap();
    assert!(matches!(&endings[0], Ending::Failed { failure } if failure.cause == Cause::CommandFailed { code: 3 }));
    assert_eq!(world.record(&keys[0]).await.attempts.len(), 2);
    scheduler.stop().await;
}

#[tokio::test(start_paused = true)]
async fn runners_are_told_to_go_on_or_to_stop_and_a_cancel_ends_the_build() {
    let world = World::new(deploys);
    let (handle, scheduler) = world.scheduler("one");
    let keys = world.submit(1..2).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let attempt = keys[0].attempt(AttemptNumber::FIRST);
    let beat = Heartbeat { phase: RunPhase::Run };
    assert!(matches!(handle.heartbeat(&attempt, beat).await.unwrap(), Order::Continue { .. }));
    let stranger = BuildKey { account: fixtures::account("other"), ..keys[0].clone() };
    assert_eq!(handle.cancel(&stranger, CancelReason::User).await.unwrap(), CancelAnswer::TooLate);
    assert_eq!(handle.heartbeat(&stranger.attempt(AttemptNumber::FIRST), beat).await.unwrap(), Order::Stop);
    assert_eq!(handle.cancel(&keys[0], CancelReason::User).await.unwrap(), CancelAnswer::Asked);
    assert_eq!(handle.heartbeat(&attempt, beat).await.unwrap(), Order::Stop);
    let endings = tokio::time::timeout(Duration::from_secs(600), world.ended(&keys)).await.unwrap();
    assert_eq!(endings, [Ending::Cancelled { reason: CancelReason::User }]);
    scheduler.stop().await;
    assert!(handle.heartbeat(&attempt, beat).await.is_err(), "nobody leads any more");
}

#[tokio::test(start_paused = true)]
async fn a_report_settles_at_once_and_is_durable_when_answered() {
    let world = World::new(deploys);
    let (handle, scheduler) = world.scheduler("one");
    let keys = world.submit(1..2).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let attempt = keys[0].attempt(AttemptNumber::FIRST);
    handle.report(&attempt, deploys(&attempt)).await.unwrap();
    assert!(world.record(&keys[0]).await.attempts[0].state.outcome().is_some());
    handle.report(&attempt, fixtures::failed(Cause::Lost)).await.unwrap();
    let endings = tokio::time::timeout(Duration::from_secs(5), world.ended(&keys)).await.unwrap();
    assert!(matches!(endings[0], Ending::Deployed { .. }), "a late report changes nothing");
    scheduler.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_schedulers_take_turns_and_a_shutdown_hands_over_at_once() {
    let world = World::new(deploys);
    let (_, first) = world.scheduler("one");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (second_handle, second) = world.scheduler("two");
    let keys = world.submit(1..3).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(second_handle.status().await.is_err(), "the first leads");
    first.stop().await;
    let endings = tokio::time::timeout(Duration::from_secs(60), world.ended(&keys)).await.unwrap();
    assert!(endings.iter().all(|ending| matches!(ending, Ending::Deployed { .. })), "{endings:?}");
    assert_eq!(second_handle.status().await.unwrap().engine.live, 0);
    assert_eq!(world.executor.starts.lock().unwrap().len(), 2, "nothing ran twice");
    second.stop().await;
}
