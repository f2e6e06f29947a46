//! A folder, an executor on it, and requests.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use netbuild_core::model::{
    AttemptFolder, AttemptId, AttemptNumber, BuildId, GatewayAccess, Job, JobRules, NameKey, Outcome, Report,
    RunnerIdentity,
};
use netbuild_core::port::{Executor, ExecutorEvent, Observed, Phase, StartRequest, Started, SystemClock};
use netbuild_vm::process::{ProcessExecutor, ProcessOptions, RunnerCommand};

use crate::runner::FAULT;

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Bench {
    root: tempfile::TempDir,
    names: NameKey,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Bench { root: tempfile::tempdir().unwrap(), names: NameKey::new([5; 32]) }
    }

    pub(crate) fn options(&self) -> ProcessOptions {
        let this = std::env::current_exe().unwrap();
        let args = ["test_runner", "--exact", "--nocapture", "--test-threads=1", "--quiet"];
        let runner = args.into_iter().fold(RunnerCommand::new(this), RunnerCommand::arg);
        ProcessOptions { slots: 16, poll: Duration::from_millis(20), ..ProcessOptions::new(self.root.path(), runner) }
    }

    pub(crate) async fn executor(&self) -> ProcessExecutor {
        self.executor_with(self.options()).await
    }

    pub(crate) async fn executor_with(&self, options: ProcessOptions) -> ProcessExecutor {
        ProcessExecutor::open(options, Arc::new(SystemClock::new())).await.unwrap()
    }

    /// Attempt 1 of a build of its own that runs a command.
    pub(crate) fn request(&self, command: &str) -> StartRequest {
        let mut build = netbuild_core::testkit::fixtures::build("acme", "site", 1);
        build.id = BuildId::generate();
        build.spec.command = command.to_owned();
        let job = Job {
            attempt: build.key().attempt(AttemptNumber::FIRST),
            source: build.source.clone(),
            command: command.to_owned(),
            publish: None,
            env: Default::default(),
            secrets: Default::default(),
            caches: Vec::new(),
            credential: None,
            image: None,
            user: None,
            gateway: GatewayAccess { url: "http://127.0.0.1:9".to_owned(), token: "token".into() },
            rules: JobRules::default(),
        };
        StartRequest { name: self.names.name(&build.key()), build: Arc::new(build), job, avoid: Vec::new() }
    }

    /// Attempt 1 of a build of its own whose runner has a fault.
    pub(crate) fn faulty(&self, fault: &str, command: &str) -> StartRequest {
        let mut request = self.request(command);
        request.job.env.insert(FAULT.to_owned(), fault.to_owned());
        request
    }

    pub(crate) fn root(&self) -> PathBuf {
        fs::canonicalize(self.root.path()).unwrap()
    }

    pub(crate) fn folder(&self, request: &StartRequest) -> PathBuf {
        self.root().join(request.name.as_str())
    }

    pub(crate) fn identity(&self, request: &StartRequest) -> RunnerIdentity {
        serde_json::from_slice(&fs::read(self.folder(request).join(AttemptFolder::RUNNER)).unwrap()).unwrap()
    }

    pub(crate) fn alter_identity(&self, request: &StartRequest, alter: impl FnOnce(&mut RunnerIdentity)) {
        let mut identity = self.identity(request);
        alter(&mut identity);
        fs::write(self.folder(request).join(AttemptFolder::RUNNER), serde_json::to_vec(&identity).unwrap()).unwrap();
    }

    /// What a command writes into a file of its workspace, once it has.
    pub(crate) async fn written(&self, request: &StartRequest, name: &str) -> String {
        let path = self.folder(request).join(AttemptFolder::WORK).join(name);
        let text = async {
            loop {
                match fs::read_to_string(&path) {
                    Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
                    _ => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, text).await.expect("the command writes the file")
    }
}

/// Makes folders that are too deep for a path and for a stack, and some that nobody may enter.
pub(crate) const DEEP_AND_CLOSED: &str =
    "mkdir -p $(printf 'd/%.0s' $(seq 30000)) && mkdir -p a/b/c && chmod 0 a/b/c a/b a";

/// Waits until all that was removed is deleted.
pub(crate) async fn deleted(bench: &Bench) {
    let is_trash = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with(".trash-");
    let gone = async {
        while fs::read_dir(bench.root()).unwrap().any(|entry| is_trash(entry.unwrap())) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(10 * PATIENCE, gone).await.expect("what was removed is deleted");
}

/// The next attempt of the same build.
pub(crate) fn next(request: &StartRequest) -> StartRequest {
    let mut next = request.clone();
    next.job.attempt.number = next.job.attempt.number.next();
    next
}

pub(crate) fn id(request: &StartRequest) -> &AttemptId {
    &request.job.attempt
}

/// The phase in a list; `None` when the attempt is absent from a complete one.
pub(crate) async fn phase(executor: &ProcessExecutor, request: &StartRequest) -> Option<Phase> {
    let listing = executor.list().await.unwrap();
    assert!(listing.complete);
    listing.attempts.into_iter().find(|observed| observed.attempt == *id(request)).map(|observed| observed.phase)
}

/// Waits, by events, until an attempt is in a phase.
pub(crate) async fn wait_for<T>(
    executor: &ProcessExecutor,
    request: &StartRequest,
    wanted: impl Fn(&Phase) -> Option<T>,
) -> T {
    let mut events = executor.events().await.unwrap();
    let wait = async {
        while let Some(event) = events.next().await {
            let now = match event {
                ExecutorEvent::Gap => phase(executor, request).await,
                ExecutorEvent::Observed(observed) if observed.attempt == *id(request) => Some(observed.phase),
                ExecutorEvent::Observed(_) => None,
            };
            if let Some(found) = now.as_ref().and_then(&wanted) {
                return found;
            }
        }
        panic!("the events ended");
    };
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(found) => found,
        Err(_) => panic!("the phase never came; it is {:?}", phase(executor, request).await),
    }
}

pub(crate) async fn running(executor: &ProcessExecutor, request: &StartRequest) {
    wait_for(executor, request, |phase| matches!(phase, Phase::Running { .. }).then_some(())).await;
}

pub(crate) async fn ended(executor: &ProcessExecutor, request: &StartRequest) -> Report {
    let report = |phase: &Phase| match phase {
        Phase::Ended { report } => Some(report.clone()),
        _ => None,
    };
    wait_for(executor, request, report).await
}

pub(crate) fn cause(report: &Report) -> &str {
    match &report.outcome {
        Outcome::Failed(failure) => failure.cause.label(),
        other => other.label(),
    }
}

pub(crate) fn adopted(started: Started) -> Observed {
    match started {
        Started::Adopted { observed } => observed,
        Started::Created { .. } => panic!("created instead of adopted"),
    }
}

/// Whether a process is there and no zombie.
pub(crate) fn lives(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat[stat.rfind(')').unwrap()..].starts_with(") Z"))
}

pub(crate) fn kill(signal: &str, pid: &str) {
    assert!(std::process::Command::new("kill").args([signal, "--", pid]).status().unwrap().success());
}
