//! Reports that must have no effect, through the real scheduler and ledger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use netbuild_core::engine::EngineConfig;
use netbuild_core::intake::{Publisher, PublisherConfig};
use netbuild_core::memory::{MemoryLedger, MemoryLogStore, MemoryOutbox, MemoryQueue};
use netbuild_core::model::{
    AttemptId, AttemptNumber, BuildKey, BuildRecord, BuildState, CancelReason, Cause, DeployInfo, Ending, ExecutorName,
    Failure, Manifest, Outcome, Report, Timestamp,
};
use netbuild_core::policy::Fifo;
use netbuild_core::port::{AttemptControl, Executor, FixedRouter, History, NoObserver, NoSecrets, Outbox};
use netbuild_core::scheduler::{CancelAnswer, Handle, Scheduler, SchedulerConfig, SchedulerPorts};
use netbuild_core::testkit::{FakeExecutor, FakeExecutorHandle, Play, TokioClock, fixtures};
use reqwest::Method;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::world::{Answer, World, answer, manifest_of};

/// A scheduler over stores in memory, whose attempts run until their reports or the test end them, behind a real gateway.
struct Stage {
    world: World,
    handle: Handle,
    ledger: Arc<MemoryLedger>,
    attempts: FakeExecutorHandle,
    build: BuildKey,
    _tasks: JoinSet<()>,
}

impl Stage {
    /// With one build, whose first attempt is live.
    async fn new() -> Self {
        let time = TokioClock::new(Timestamp::from_millis(1_000_000));
        let clock = Arc::new(time);
        let outbox = Arc::new(MemoryOutbox::new(fixtures::publisher("api"), 1, 1_000, clock.clone()));
        let queue = Arc::new(MemoryQueue::new(1_000, Duration::from_secs(30), clock.clone()));
        let publisher = Publisher::new(outbox.clone(), queue.clone(), clock.clone(), PublisherConfig::default());
        let ledger = Arc::new(MemoryLedger::new(10_000, clock.clone()));
        let (executor, attempts) = FakeExecutor::new(time, |_| Play::runs_on());
        let name = ExecutorName::new("scripted").unwrap();
        let ports = SchedulerPorts {
            queue,
            ledger: ledger.clone(),
            executors: BTreeMap::from([(name.clone(), Arc::new(executor) as Arc<dyn Executor>)]),
            router: Arc::new(FixedRouter::new(name)),
            secrets: Arc::new(NoSecrets),
            logs: Arc::new(MemoryLogStore::new(1 << 20)),
            observer: Arc::new(NoObserver),
            clock,
        };
        let engine = EngineConfig { retry_base: Duration::from_millis(10), ..EngineConfig::default() };
        let config = SchedulerConfig {
            engine,
            compare_every: Duration::from_millis(50),
            ..SchedulerConfig::new(fixtures::holder("a"), "http://127.0.0.1:1")
        };
        let scheduler = Scheduler::new(ports, config, Box::new(|| Box::new(Fifo::new())));
        let handle = scheduler.handle();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { scheduler.run(CancellationToken::new()).await.unwrap() });

        let mut build = fixtures::build("acme", "site", 1);
        build.spec.secrets.clear();
        let key = build.key();
        outbox.record(&[fixtures::event(build)]).await.unwrap();
        publisher.publish_pending().await.unwrap();
        let world = World::behind(Arc::new(handle.clone())).await;
        let stage = Stage { world, handle, ledger, attempts, build: key, _tasks: tasks };
        stage.is_live(1).await;
        stage
    }

    fn attempt(&self, number: u32) -> AttemptId {
        self.build.attempt(AttemptNumber::new(number))
    }

    /// Waits until an attempt is live.
    async fn is_live(&self, number: u32) {
        let attempt = self.attempt(number);
        until(async || self.attempts.alive().contains(&attempt) && self.handle.is_live(&attempt).await == Ok(true))
            .await;
    }

    async fn report(&self, number: u32, outcome: Outcome) -> Answer {
        let request = self.world.request(Method::POST, "/v1/report", &self.attempt(number));
        answer(request.json(&Report::of(outcome))).await
    }

    async fn record(&self) -> BuildRecord {
        self.ledger.build(&self.build).await.unwrap().unwrap()
    }

    /// How the build ends.
    async fn ending(&self) -> Ending {
        until(async || matches!(self.record().await.state, BuildState::Ended { .. })).await;
        match self.record().await.state {
            BuildState::Ended { ending, .. } => ending,
            state => panic!("not over: {state:?}"),
        }
    }

    /// The manifests of the deploys that are or were visible.
    async fn visible(&self) -> usize {
        let context = netbuild_core::model::DeployContext::Production;
        self.ledger.deploys(&self.build.account, &self.build.project, &context).await.unwrap().len()
    }

    /// A deploy that an attempt uploads.
    async fn deploy(&self, number: u32) -> Manifest {
        self.world.deploy(&self.attempt(number), &[("index.html", "a")]).await
    }
}

async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(60), wait).await.expect("it happens");
}

fn success(manifest: &Manifest) -> Outcome {
    let (files, bytes) = (manifest.files.len() as u64, manifest.total_bytes());
    Outcome::Succeeded { deploy: Some(DeployInfo { manifest: manifest.digest(), files, bytes, uploaded: files }) }
}

#[tokio::test]
async fn a_deploy_that_was_never_uploaded_does_not_become_visible() {
    let stage = Stage::new().await;
    let forged = manifest_of(&[("index.html", "never uploaded")]);
    assert_eq!(stage.report(1, success(&forged)).await.refused(), 422);
    assert!(stage.handle.is_live(&stage.attempt(1)).await.unwrap(), "the attempt goes on");
    let manifest = stage.deploy(1).await;
    assert_eq!(stage.report(1, success(&manifest)).await.status, 204);
    let Ending::Deployed { deploy } = stage.ending().await else { panic!("not deployed") };
    assert_eq!((deploy.manifest, stage.visible().await), (manifest.digest(), 1));
}

#[tokio::test]
async fn another_report_after_the_end_changes_nothing() {
    let stage = Stage::new().await;
    let manifest = stage.deploy(1).await;
    let failure = Failure::new(Cause::CommandFailed { code: 3 }, "the first word");
    assert_eq!(stage.report(1, Outcome::Failed(failure.clone())).await.status, 204);
    assert_eq!(stage.ending().await, Ending::Failed { failure: failure.clone() });
    let record = stage.record().await;
    for outcome in [success(&manifest), Outcome::Cancelled, Outcome::Failed(failure)] {
        assert_eq!(stage.report(1, outcome).await.status, 204);
    }
    assert_eq!((stage.record().await, stage.visible().await), (record, 0));
}

#[tokio::test]
async fn a_replaced_attempt_reports_and_uploads_in_vain() {
    let stage = Stage::new().await;
    let manifest = stage.deploy(1).await;
    stage.attempts.vanish(&stage.attempt(1));
    stage.is_live(2).await;
    // The token is trusted a few seconds longer; a gateway that remembers nothing asks at once.
    let gateway = World::behind(Arc::new(stage.handle.clone())).await;
    assert_eq!(gateway.upload(&stage.attempt(1), "late").await.refused(), 410);
    assert_eq!(stage.report(1, success(&manifest)).await.status, 204, "nobody needs to repeat it");
    assert!(stage.handle.is_live(&stage.attempt(2)).await.unwrap(), "the later attempt goes on");
    assert_eq!(stage.visible().await, 0);
    let later = stage.world.deploy(&stage.attempt(2), &[("index.html", "b")]).await;
    assert_eq!(stage.report(2, success(&later)).await.status, 204);
    let Ending::Deployed { deploy } = stage.ending().await else { panic!("not deployed") };
    assert_eq!(deploy.manifest, later.digest());
}

#[tokio::test]
async fn a_success_after_a_cancel_deploys_nothing() {
    let stage = Stage::new().await;
    let manifest = stage.deploy(1).await;
    let cancelled = stage.handle.cancel(&stage.build, CancelReason::User).await;
    assert_eq!(cancelled, Ok(CancelAnswer::Asked));
    assert_eq!(stage.report(1, success(&manifest)).await.status, 204);
    assert!(matches!(stage.ending().await, Ending::Cancelled { .. }));
    assert_eq!(stage.visible().await, 0);
}
