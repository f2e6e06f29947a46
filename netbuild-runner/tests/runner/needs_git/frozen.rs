//! A build host that freezes for longer than its lease, under the real scheduler, ledger and gateway. The executor is a
//! fake that loses sight of the host; the runners are real processes, stopped by `kill -STOP` as a hung host stops them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::TryStreamExt;
use netbuild_core::engine::EngineConfig;
use netbuild_core::intake::{Publisher, PublisherConfig};
use netbuild_core::memory::{MemoryLedger, MemoryLogStore, MemoryOutbox, MemoryQueue};
use netbuild_core::model::{
    BuildKey, BuildRecord, BuildState, Cause, Ending, ExecutorName, GatewayKey, Job, JobRules, OnUnknown, Outcome,
    PublishPath, Report, RepositoryUrl, Revision, Source, Timestamp,
};
use netbuild_core::policy::Fifo;
use netbuild_core::port::{Executor, FixedRouter, History, Ledger, NoObserver, NoSecrets, Outbox};
use netbuild_core::scheduler::{Scheduler, SchedulerConfig, SchedulerPorts};
use netbuild_core::testkit::{FakeExecutor, FakeExecutorHandle, Play, TokioClock, fixtures};
use netbuild_runner::gateway::{CacheLimits, Caches, Gateway, GatewayLimits, GatewayParts};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::bench::{Attempt, cause, lives, until};
use super::repository::Repository;

const LEASE: Duration = Duration::from_secs(3);
const GRACE: Duration = Duration::from_millis(500);

/// A whole host, and one build on it.
struct Stage {
    ledger: Arc<MemoryLedger>,
    store: Arc<InMemory>,
    attempts: FakeExecutorHandle,
    /// What the executor was asked to start, in order.
    jobs: Arc<Mutex<Vec<Job>>>,
    build: BuildKey,
    _tasks: JoinSet<()>,
}

impl Stage {
    async fn new(repository: &Repository, command: &str, free: &Path) -> Self {
        let time = TokioClock::new(Timestamp::from_millis(1_000_000));
        let clock = Arc::new(time);
        let outbox = Arc::new(MemoryOutbox::new(fixtures::publisher("api"), 1, 1_000, clock.clone()));
        let queue = Arc::new(MemoryQueue::new(1_000, Duration::from_secs(30), clock.clone()));
        let publisher = Publisher::new(outbox.clone(), queue.clone(), clock.clone(), PublisherConfig::default());
        let ledger = Arc::new(MemoryLedger::new(10_000, clock.clone()));
        let jobs: Arc<Mutex<Vec<Job>>> = Arc::default();
        let asked = jobs.clone();
        let (executor, attempts) = FakeExecutor::new(time, move |request| {
            asked.lock().unwrap().push(request.job.clone());
            Play::runs_on()
        });
        let (name, logs) = (ExecutorName::new("scripted").unwrap(), Arc::new(MemoryLogStore::new(1 << 20)));
        let ports = SchedulerPorts {
            queue,
            ledger: ledger.clone(),
            executors: BTreeMap::from([(name.clone(), Arc::new(executor) as Arc<dyn Executor>)]),
            router: Arc::new(FixedRouter::new(name)),
            secrets: Arc::new(NoSecrets),
            logs: logs.clone(),
            observer: Arc::new(NoObserver),
            clock: clock.clone(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let retry_base = Duration::from_millis(10);
        let config = SchedulerConfig {
            rules: JobRules { allow_file: true, ..JobRules::default() },
            engine: EngineConfig {
                lease: LEASE,
                grace: GRACE,
                fence_margin: GRACE,
                retry_base,
                ..EngineConfig::default()
            },
            compare_every: Duration::from_millis(100),
            ..SchedulerConfig::new(fixtures::holder("a"), format!("http://{}", listener.local_addr().unwrap()))
        };
        let scheduler = Scheduler::new(ports, config, Box::new(|| Box::new(Fifo::new())));
        let store = Arc::new(InMemory::new());
        let gateway = Gateway::new(GatewayParts {
            store: store.clone(),
            caches: Caches::new(store.clone(), CacheLimits::default(), clock),
            control: Arc::new(scheduler.handle()),
            logs,
            key: GatewayKey::from(&ledger.name_key().await.unwrap()),
            limits: GatewayLimits { trust: Duration::ZERO, ..GatewayLimits::default() },
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { scheduler.run(CancellationToken::new()).await.unwrap() });
        tasks.spawn(async move { gateway.serve(listener, CancellationToken::new()).await });

        let mut build = fixtures::build("acme", "site", 1);
        build.source = Source {
            repository: RepositoryUrl::parse(&repository.url()).unwrap(),
            revision: Revision::parse("main").unwrap(),
        };
        build.spec.secrets.clear();
        build.spec.command = command.to_owned();
        build.spec.publish = Some(PublishPath::parse("out").unwrap());
        build.spec.env = [("FREE".to_owned(), free.display().to_string())].into();
        // Where the first attempt is cannot be told, and this build may run twice.
        build.spec.on_unknown = OnUnknown::Rerun;
        let key = build.key();
        outbox.record(&[fixtures::event(build)]).await.unwrap();
        publisher.publish_pending().await.unwrap();
        Stage { ledger, store, attempts, jobs, build: key, _tasks: tasks }
    }

    /// The runner of attempt `number`, once the executor was asked for it.
    async fn start(&self, number: usize) -> (Attempt, Child) {
        until("the start", || self.jobs.lock().unwrap().len() >= number).await;
        let job = self.jobs.lock().unwrap()[number - 1].clone();
        let attempt = Attempt::new(job);
        let runner = attempt.start().await;
        (attempt, runner)
    }

    async fn record(&self) -> BuildRecord {
        self.ledger.build(&self.build).await.unwrap().unwrap()
    }

    async fn stored(&self) -> usize {
        self.store.list(None).try_collect::<Vec<_>>().await.unwrap().len()
    }
}

/// Stops or continues a runner and its command.
fn signal(attempt: &Attempt, runner: &Child, signal: Signal) {
    let command = std::fs::read_to_string(attempt.path("home/pid")).unwrap();
    for pid in [runner.id().unwrap().to_string().as_str(), command.trim()] {
        kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), signal).unwrap();
    }
}

/// Freezes the first attempt's host until the build was deployed by a second attempt, and thaws it. Tells how the first
/// attempt's runner ended.
async fn frozen_and_thawed(command: &str) -> Report {
    let (repository, folder) = (Repository::new(), tempfile::tempdir().unwrap());
    let free = folder.path().join("free");
    let stage = Stage::new(&repository, command, &free).await;
    let (attempt, runner) = stage.start(1).await;
    until("the command is up", || attempt.path("log").exists() && attempt.log().contains("up")).await;

    let frozen = Instant::now();
    signal(&attempt, &runner, Signal::STOP);
    stage.attempts.set_unknown(&attempt.job.attempt);
    until("the second attempt", || stage.jobs.lock().unwrap().len() > 1).await;
    assert!(frozen.elapsed() >= LEASE + GRACE, "not before the frozen host's lease is over: {:?}", frozen.elapsed());
    assert!(lives(&attempt.path("home/pid")), "the first command is still there, and stands still");

    std::fs::write(&free, "").unwrap();
    let (second, its_runner) = stage.start(2).await;
    let deploy = super::bench::deploy(&second.end(its_runner).await);
    let (before, stored) = (stage.record().await, stage.stored().await);
    assert!(
        matches!(&before.state, BuildState::Ended { ending: Ending::Deployed { deploy: visible }, .. } if *visible == deploy),
        "{before:#?}"
    );

    signal(&attempt, &runner, Signal::CONT);
    let report = attempt.end(runner).await;
    assert!(!lives(&attempt.path("home/pid")), "nothing of the thawed attempt runs on");
    assert_eq!((stage.record().await, stage.stored().await), (before, stored), "and nothing of it took effect");
    report
}

#[tokio::test]
async fn a_thawed_host_finds_its_lease_over_and_kills_its_command() {
    let command = "mkdir out; echo $HOME > out/who; echo $$ > $HOME/pid; echo up; test -e $FREE && exit 0; \
                   trap '' TERM; while :; do sleep 0.05; done";
    assert_eq!(cause(&frozen_and_thawed(command).await), Cause::LeaseLost);
}

#[tokio::test]
async fn a_command_that_ends_as_its_host_thaws_deploys_nothing() {
    let command = "mkdir out; echo $HOME > out/who; echo $$ > $HOME/pid; echo up; \
                   while ! test -e $FREE; do sleep 0.05; done";
    let report = frozen_and_thawed(command).await;
    assert!(!matches!(report.outcome, Outcome::Succeeded { .. }), "{report:?}");
}
