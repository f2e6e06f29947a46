//! The driver over stores in memory, in paused time.

#![expect(clippy::unwrap_used, reason = "this is a test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use netbuild_core::intake::{Publisher, PublisherConfig};
use netbuild_core::memory::{MemoryLedger, MemoryLogStore, MemoryOutbox, MemoryQueue};
use netbuild_core::model::{
    AttemptId, AttemptNumber, BuildKey, BuildRecord, BuildState, CancelReason, Cause, Ending, ExecutorName, Outcome,
    RunPhase, Timestamp,
};
use netbuild_core::policy::Fifo;
use netbuild_core::port::{
    AttemptControl, Clock, Executor, FixedRouter, Heartbeat, History, NoObserver, NoSecrets, Order, Outbox, Queue,
    StartRequest,
};
use netbuild_core::scheduler::{CancelAnswer, Handle, Scheduler, SchedulerConfig, SchedulerPorts};
use netbuild_core::testkit::{
    FakeCall, FakeExecutor, FakeExecutorHandle, Play, StartFault, TokioClock, deploy_of, fixtures,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Everything but the scheduler, so that a scheduler can end and another one follow.
struct World {
    clock: Arc<dyn Clock>,
    outbox: Arc<MemoryOutbox>,
    queue: Arc<MemoryQueue>,
    ledger: Arc<MemoryLedger>,
    executor: Arc<FakeExecutor>,
    attempts: FakeExecutorHandle,
    publisher: Publisher,
}

impl World {
    fn new(script: fn(&StartRequest) -> Play) -> Self {
        let time = TokioClock::new(Timestamp::from_millis(1_000_000));
        let clock: Arc<dyn Clock> = Arc::new(time);
        let outbox = Arc::new(MemoryOutbox::new(fixtures::publisher("api"), 1, 1_000, clock.clone()));
        let queue = Arc::new(MemoryQueue::new(1_000, Duration::from_secs(30), clock.clone()));
        let publisher = Publisher::new(outbox.clone(), queue.clone(), PublisherConfig::default());
        let ledger = Arc::new(MemoryLedger::new(10_000, clock.clone()));
        let (executor, attempts) = FakeExecutor::new(time, script);
        attempts.set_slots(Some(2));
        World { clock, outbox, queue, ledger, executor: Arc::new(executor), attempts, publisher }
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
        let config = SchedulerConfig::new(fixtures::holder(holder), "http://127.0.0.1:1");
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
            // A project each: of one project an older deploy that ends later stays invisible.
            let mut build = fixtures::build("acme", &format!("site-{n}"), n);
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

    /// The attempts that were started, in order.
    fn starts(&self) -> Vec<AttemptId> {
        let start = |call| match call {
            FakeCall::Start(attempt) => Some(attempt),
            _ => None,
        };
        self.attempts.calls().into_iter().filter_map(start).collect()
    }

    /// How the builds end, within an hour of virtual time.
    async fn ended(&self, keys: &[BuildKey]) -> Vec<Ending> {
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

fn first(build: &BuildKey) -> AttemptId {
    build.attempt(AttemptNumber::FIRST)
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

const RUN: Duration = Duration::from_secs(10);

fn deploys(request: &StartRequest) -> Play {
    Play::deploys_after(RUN, deploy_of(&request.job.attempt))
}

fn all_deployed(endings: &[Ending]) -> bool {
    endings.iter().all(|ending| matches!(ending, Ending::Deployed { .. }))
}

#[tokio::test(start_paused = true)]
async fn builds_go_from_the_outbox_to_a_deploy() {
    let world = World::new(deploys);
    let (_, scheduler) = world.scheduler("one");
    let keys = world.submit(1..8).await;
    let endings = world.ended(&keys).await;
    assert!(all_deployed(&endings), "{endings:?}");
    scheduler.stop().await;
    assert_eq!(world.executor.list().await.unwrap().attempts, [], "every attempt is removed");
    assert_eq!(world.attempts.most_alive(), 2, "both slots were used, and no more");
    assert_eq!(world.queue.depth().await.unwrap().unacked, 0);
    assert_eq!(world.starts(), keys.iter().map(first).collect::<Vec<_>>(), "each once, in order");
}

#[tokio::test(start_paused = true)]
async fn lists_find_what_events_did_not_tell() {
    let world = World::new(deploys);
    world.attempts.drop_events(true);
    let (_, scheduler) = world.scheduler("one");
    let keys = world.submit(1..4).await;
    assert!(all_deployed(&world.ended(&keys).await));
    scheduler.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_without_an_answer_is_asked_again_and_runs_once() {
    let world = World::new(deploys);
    world.attempts.fail_start(StartFault::UnknownStarted);
    world.attempts.fail_start(StartFault::UnknownNotStarted);
    let (_, scheduler) = world.scheduler("one");
    let keys = world.submit(1..3).await;
    assert!(all_deployed(&world.ended(&keys).await));
    for key in &keys {
        assert_eq!(world.record(key).await.attempts.len(), 1, "a timeout is not a no");
    }
    scheduler.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_vanished_attempt_is_lost_and_another_one_deploys() {
    let world = World::new(deploys);
    let (_, scheduler) = world.scheduler("one");
    let keys = world.submit(1..2).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.attempts.vanish(&first(&keys[0]));
    assert!(all_deployed(&world.ended(&keys).await));
    let record = world.record(&keys[0]).await;
    assert_eq!(record.attempts[0].state.outcome().map(Outcome::label), Some("lost"));
    assert_eq!(record.attempts.len(), 2);
    scheduler.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_crashed_scheduler_is_followed_and_its_attempts_are_adopted() {
    let world = World::new(deploys);
    let (_, one) = world.scheduler("one");
    let keys = world.submit(1..4).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    one.crash().await;
    let (_, two) = world.scheduler("two");
    assert!(all_deployed(&world.ended(&keys).await));
    assert_eq!(world.starts().len(), 3, "nothing ran twice");
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn infrastructure_is_retried_and_a_customers_failure_is_not() {
    let world = World::new(|request| match request.job.attempt.number.get() {
        1 => Play::fails_after(RUN, Cause::Evicted),
        _ => Play::fails_after(RUN, Cause::CommandFailed { code: 3 }),
    });
    let (_, scheduler) = world.scheduler("one");
    let keys = world.submit(1..2).await;
    let endings = world.ended(&keys).await;
    assert!(matches!(&endings[0], Ending::Failed { failure } if failure.cause == Cause::CommandFailed { code: 3 }));
    assert_eq!(world.record(&keys[0]).await.attempts.len(), 2);
    scheduler.stop().await;
}

#[tokio::test(start_paused = true)]
async fn runners_are_told_to_go_on_or_to_stop_and_a_cancel_ends_the_build() {
    let world = World::new(deploys);
    let (handle, scheduler) = world.scheduler("one");
    let keys = world.submit(1..2).await;
    let attempt = first(&keys[0]);
    world.attempts.started(&attempt).await;
    let beat = Heartbeat { phase: RunPhase::Run };
    assert!(matches!(handle.heartbeat(&attempt, beat).await.unwrap(), Order::Continue { .. }));
    let stranger = BuildKey { account: fixtures::account("other"), ..keys[0].clone() };
    assert_eq!(handle.cancel(&stranger, CancelReason::User).await.unwrap(), CancelAnswer::TooLate);
    assert_eq!(handle.heartbeat(&first(&stranger), beat).await.unwrap(), Order::Stop);
    assert_eq!(handle.cancel(&keys[0], CancelReason::User).await.unwrap(), CancelAnswer::Asked);
    assert_eq!(handle.heartbeat(&attempt, beat).await.unwrap(), Order::Stop);
    assert_eq!(world.ended(&keys).await, [Ending::Cancelled { reason: CancelReason::User }]);
    scheduler.stop().await;
    assert!(handle.heartbeat(&attempt, beat).await.is_err(), "nobody leads any more");
}

#[tokio::test(start_paused = true)]
async fn a_report_settles_at_once_and_is_durable_when_answered() {
    let world = World::new(deploys);
    let (handle, scheduler) = world.scheduler("one");
    let keys = world.submit(1..2).await;
    let attempt = first(&keys[0]);
    world.attempts.started(&attempt).await;
    handle.report(&attempt, fixtures::succeeded(Some(deploy_of(&attempt)))).await.unwrap();
    assert!(world.record(&keys[0]).await.attempts[0].state.outcome().is_some());
    handle.report(&attempt, fixtures::failed(Cause::Lost)).await.unwrap();
    assert!(all_deployed(&world.ended(&keys).await), "a late report changes nothing");
    scheduler.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_schedulers_take_turns_and_a_shutdown_hands_over_at_once() {
    let world = World::new(deploys);
    let (_, one) = world.scheduler("one");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (second, two) = world.scheduler("two");
    let keys = world.submit(1..3).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(second.status().await.is_err(), "the first leads");
    one.stop().await;
    assert!(all_deployed(&world.ended(&keys).await));
    assert_eq!(second.status().await.unwrap().engine.live, 0);
    assert_eq!(world.starts().len(), 2, "nothing ran twice");
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_build_whose_secret_does_not_exist_fails_by_its_configuration() {
    let world = World::new(deploys);
    let (_, scheduler) = world.scheduler("one");
    let build = fixtures::build("acme", "site", 1);
    let keys = [build.key()];
    world.outbox.record(&[fixtures::event(build)]).await.unwrap();
    world.publisher.publish_pending().await.unwrap();
    let endings = world.ended(&keys).await;
    assert!(matches!(&endings[0], Ending::Failed { failure } if failure.cause == Cause::SecretMissing));
    assert_eq!(world.starts(), [], "nothing was started");
    scheduler.stop().await;
}
