//! The executor under test, and the steps that all its cases are made of.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout};

use super::{Executors, Stop};
use crate::model::{AttemptId, AttemptNumber, GatewayAccess, Job, JobRules, NameKey, Outcome, Report};
use crate::port::{Executor, Phase, StartRequest, Started};
use crate::testkit::fixtures;

/// What a command that runs on writes once it is where it shall be.
pub const READY: &str = "ready";

/// What the command of an attempt does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TestCommand {
    /// Ends with 0.
    Succeed,
    /// Ends with a code other than 0.
    Exit(i32),
    /// Writes the line [`READY`], and runs on until it gets TERM.
    RunUntilCancelled,
    /// Ignores TERM from then on, writes the line [`READY`], and runs on.
    IgnoreTerm,
    /// Writes the lines `line 1` to `line n` and ends with 0.
    LogLines(u32),
}

impl TestCommand {
    /// It as a command for `/bin/sh -c`.
    pub fn shell(&self) -> String {
        match self {
            TestCommand::Succeed => "exit 0".to_owned(),
            TestCommand::Exit(code) => format!("exit {code}"),
            TestCommand::RunUntilCancelled => format!("echo {READY}; exec sleep 100000"),
            TestCommand::IgnoreTerm => format!("trap '' TERM; echo {READY}; while :; do sleep 0.05; done"),
            TestCommand::LogLines(lines) => {
                format!("n=1; while [ $n -le {lines} ]; do echo \"line $n\"; n=$((n + 1)); done")
            }
        }
    }
}

/// Makes the request for an attempt that runs a command. Requests for one attempt are always equal but for the command.
pub type MakeRequest = Arc<dyn Fn(&AttemptId, TestCommand) -> StartRequest + Send + Sync>;

/// Destroys a running attempt behind the executor's back: kills its runner, deletes its pod.
pub type Destroy = Arc<dyn Fn(AttemptId) -> BoxFuture<'static, ()> + Send + Sync>;

/// An executor in a conformance suite.
#[derive(Clone)]
pub struct ExecutorUnderTest {
    /// The executor.
    pub executor: Arc<dyn Executor>,
    /// How requests are made: [`request`], changed so that the executor's runners find what they need.
    pub request: MakeRequest,
    /// How an attempt is destroyed; `None` skips the case that needs it.
    pub destroy: Option<Destroy>,
}

impl Debug for ExecutorUnderTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecutorUnderTest").field("executor", &self.executor).finish_non_exhaustive()
    }
}

/// A request for an attempt that runs a command, with a source and a gateway that do not exist.
pub fn request(attempt: &AttemptId, command: TestCommand) -> StartRequest {
    let mut build = fixtures::build(attempt.build.account.as_str(), attempt.build.project.as_str(), 1);
    build.id = attempt.build.build;
    build.spec.command = command.shell();
    build.spec.publish = None;
    build.spec.env.clear();
    build.spec.secrets.clear();
    let job = Job {
        attempt: attempt.clone(),
        source: build.source.clone(),
        command: build.spec.command.clone(),
        publish: None,
        env: Default::default(),
        secrets: Default::default(),
        caches: Vec::new(),
        credential: None,
        image: None,
        user: None,
        gateway: GatewayAccess { url: "http://127.0.0.1:9".to_owned(), token: "no token".into() },
        rules: JobRules::default(),
    };
    let name = NameKey::new([9; 32]).name(&attempt.build);
    StartRequest { name, build: Arc::new(build), job, avoid: Vec::new() }
}

/// No attempt takes longer to come into a phase.
const PATIENCE: Duration = Duration::from_secs(40);

/// The pause between two lists.
const PAUSE: Duration = Duration::from_millis(20);

/// Attempt `number` of build `n`.
pub(super) fn attempt(n: u64, number: u32) -> AttemptId {
    fixtures::build("acme", "site", n).key().attempt(AttemptNumber::new(number))
}

impl ExecutorUnderTest {
    pub(super) fn request(&self, attempt: &AttemptId, command: TestCommand) -> StartRequest {
        (self.request)(attempt, command)
    }

    /// Starts an attempt that must be created by this call.
    pub(super) async fn create(&self, attempt: &AttemptId, command: TestCommand) -> Result<(), Stop> {
        match self.executor.start(&self.request(attempt, command)).await? {
            Started::Created { .. } => Ok(()),
            adopted @ Started::Adopted { .. } => {
                Err(Stop::failed(format_args!("a new attempt is created, not {adopted:?}")))
            }
        }
    }

    /// Starts an attempt and waits until it runs, and its command is ready: a runner that has only begun may not yet be
    /// able to hand on a TERM.
    pub(super) async fn run(&self, attempt: &AttemptId, command: TestCommand) -> Result<(), Stop> {
        self.create(attempt, command).await?;
        self.wait(attempt, "runs", |phase| matches!(phase, Some(Phase::Running { .. })).then_some(())).await?;
        let is_ready = async {
            while !String::from_utf8_lossy(&self.executor.logs(attempt, 0, 1 << 16).await?.bytes).contains(READY) {
                sleep(PAUSE).await;
            }
            Ok(())
        };
        timeout(PATIENCE, is_ready).await.map_err(|_| Stop::failed("the log of what runs can be read"))?
    }

    /// Starts an attempt and waits for its end.
    pub(super) async fn finish(&self, attempt: &AttemptId, command: TestCommand) -> Result<Report, Stop> {
        self.create(attempt, command).await?;
        self.end(attempt).await
    }

    /// Waits for the end of an attempt.
    pub(super) async fn end(&self, attempt: &AttemptId) -> Result<Report, Stop> {
        let report = |phase: Option<Phase>| match phase {
            Some(Phase::Ended { report }) => Some(report),
            _ => None,
        };
        self.wait(attempt, "ends", report).await
    }

    /// The phase of an attempt in a complete list; `None` when it is absent from it.
    pub(super) async fn phase(&self, attempt: &AttemptId) -> Result<Option<Phase>, Stop> {
        let complete = async {
            loop {
                let listing = self.executor.list().await?;
                if listing.complete {
                    return Ok::<_, Stop>(listing);
                }
                sleep(PAUSE).await;
            }
        };
        let listing = timeout(PATIENCE, complete).await.map_err(|_| Stop::failed("a list is complete at last"))??;
        let mut of_it = listing.attempts.into_iter().filter(|observed| observed.attempt == *attempt);
        match (of_it.next(), of_it.next()) {
            (first, None) => Ok(first.map(|observed| observed.phase)),
            (_, Some(_)) => Err(Stop::failed("a list has each attempt once")),
        }
    }

    /// Waits until a complete list shows an attempt as it is wanted.
    pub(super) async fn wait<T>(
        &self,
        attempt: &AttemptId,
        wanted: &str,
        find: impl Fn(Option<Phase>) -> Option<T>,
    ) -> Result<T, Stop> {
        let until = Instant::now() + PATIENCE;
        loop {
            let phase = self.phase(attempt).await?;
            if let Some(found) = find(phase.clone()) {
                return Ok(found);
            }
            if Instant::now() >= until {
                return Err(Stop::failed(format_args!("{attempt} {wanted} at last; it is {phase:?}")));
            }
            sleep(PAUSE).await;
        }
    }
}

/// Whether an outcome is a success.
pub(super) fn is_success(report: &Report) -> bool {
    matches!(report.outcome, Outcome::Succeeded { .. })
}

/// Cancels and removes all that a case left.
pub(super) async fn tidy(subject: Executors<'_>) {
    let executor = subject.store().executor.clone();
    let gone = async {
        loop {
            match executor.list().await {
                Ok(listing) if listing.attempts.is_empty() && listing.complete => return,
                Ok(listing) => {
                    for observed in listing.attempts {
                        // What fails now is tried again with the next list.
                        let _asked = executor.cancel(&observed.attempt, Duration::ZERO).await;
                        let _removed = executor.remove(&observed.attempt).await;
                    }
                }
                Err(_) => {}
            }
            sleep(PAUSE).await;
        }
    };
    // What cannot be tidied was found by the case that left it.
    let _in_time = timeout(PATIENCE, gone).await;
}

/// The executor after a crash of the scheduler, or a skip.
pub(super) async fn reopen(subject: Executors<'_>) -> Result<Arc<ExecutorUnderTest>, Stop> {
    if !subject.store().executor.capabilities().survives_scheduler {
        return Err(Stop::skipped("attempts end with the scheduler"));
    }
    if subject.reopen().await { Ok(subject.store()) } else { Err(Stop::skipped("it cannot be opened again")) }
}
