//! What a test stands on: a gateway, an attempt's folder, and the runner's program.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use netbuild_core::model::{
    AccountId, AttemptFolder, AttemptId, AttemptMark, AttemptNumber, BuildId, BuildKey, CacheName, CachePath,
    CacheScope, CacheSpec, Cause, DeployInfo, ExitRecord, GatewayAccess, GatewayClaim, GatewayKey, Job, JobRules,
    NameKey, Outcome, ProjectId, PublishPath, Report, RepositoryUrl, Revision, Source, Timestamp,
};
use netbuild_core::port::{LogStore, SystemClock};
use netbuild_runner::gateway::{CacheLimits, Caches, Gateway, GatewayLimits, GatewayParts};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::control::{Answer, Control, Logs};

/// The longest that anything in these tests may take: a build of real dependencies on a busy machine is one of them.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

const TOKEN_KEY: [u8; 32] = [7; 32];

/// A gateway with its scheduler.
pub(crate) struct Bench {
    pub(crate) control: Arc<Control>,
    pub(crate) logs: Arc<Logs>,
    /// Where the gateway keeps the caches.
    pub(crate) cached: Arc<InMemory>,
    key: GatewayKey,
    url: String,
    _gateway: JoinSet<()>,
}

impl Bench {
    /// One that lets attempts go on.
    pub(crate) async fn new() -> Self {
        Self::with(Answer::Continue, Duration::from_secs(60)).await
    }

    pub(crate) async fn with(answer: Answer, lease: Duration) -> Self {
        let logs = Arc::new(Logs::default());
        Self::over(Control::new(answer, lease), Arc::new(InMemory::new()), logs.clone(), logs).await
    }

    /// One with stores of its own: for files, and for logs.
    pub(crate) async fn with_stores(store: Arc<dyn ObjectStore>, logs: Arc<dyn LogStore>) -> Self {
        let control = Control::new(Answer::Continue, Duration::from_secs(60));
        Self::over(control, store, logs, Arc::default()).await
    }

    async fn over(
        control: Control,
        store: Arc<dyn ObjectStore>,
        store_of_logs: Arc<dyn LogStore>,
        logs: Arc<Logs>,
    ) -> Self {
        let control = Arc::new(control);
        let key = GatewayKey::from(&NameKey::new(TOKEN_KEY));
        let cached = Arc::new(InMemory::new());
        let caches = Caches::new(cached.clone(), CacheLimits::default(), Arc::new(SystemClock::new()));
        let gateway = Gateway::new(GatewayParts {
            store,
            caches,
            control: control.clone(),
            logs: store_of_logs,
            key: key.clone(),
            limits: GatewayLimits::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { gateway.serve(listener, CancellationToken::new()).await });
        Bench { control, logs, cached, key, url, _gateway: tasks }
    }

    /// An attempt that runs `command` on branch `main` of a repository on this machine.
    pub(crate) fn attempt(&self, repository: &str, command: &str) -> Attempt {
        self.attempt_in(CacheScope::Trusted, repository, command)
    }

    /// One whose caches are of a scope.
    pub(crate) fn attempt_in(&self, scope: CacheScope, repository: &str, command: &str) -> Attempt {
        let build = BuildKey {
            account: AccountId::new("acme").unwrap(),
            project: ProjectId::new("site").unwrap(),
            build: BuildId::generate(),
        };
        let attempt = build.attempt(AttemptNumber::FIRST);
        let access = self.access(&attempt, scope);
        let source = Source {
            repository: RepositoryUrl::parse(repository).unwrap(),
            revision: Revision::parse("main").unwrap(),
        };
        let rules = JobRules { allow_file: true, grace: Duration::from_secs(2), ..JobRules::default() };
        let job = Job {
            attempt,
            source,
            command: command.to_owned(),
            publish: None,
            env: Default::default(),
            secrets: Default::default(),
            caches: Vec::new(),
            credential: None,
            image: None,
            user: None,
            gateway: access,
            rules,
        };
        Attempt::new(job)
    }

    /// The next attempt of the same build.
    pub(crate) fn retry(&self, earlier: Attempt) -> Attempt {
        let mut job = earlier.job;
        job.attempt.number = AttemptNumber::new(job.attempt.number.get() + 1);
        job.gateway = self.access(&job.attempt, CacheScope::Trusted);
        Attempt::new(job)
    }

    fn access(&self, attempt: &AttemptId, scope: CacheScope) -> GatewayAccess {
        let claim = GatewayClaim { attempt: attempt.clone(), scope };
        GatewayAccess { url: self.url.clone(), token: self.key.token(&claim) }
    }
}

/// An attempt, its folder, and what became of it.
pub(crate) struct Attempt {
    pub(crate) job: Job,
    folder: tempfile::TempDir,
    programs: tempfile::TempDir,
}

impl Attempt {
    pub(crate) fn new(job: Job) -> Self {
        Self::within(job, &std::env::temp_dir())
    }

    /// The same attempt with its folder elsewhere, in which nothing has happened yet.
    pub(crate) fn on(self, disk: &Path) -> Self {
        Self::within(self.job, disk)
    }

    fn within(job: Job, disk: &Path) -> Self {
        let folder = tempfile::tempdir_in(disk).unwrap();
        let mark = AttemptMark { attempt: job.attempt.clone(), created_at: Timestamp::EPOCH, start_by: None };
        std::fs::write(folder.path().join(AttemptFolder::ATTEMPT), serde_json::to_vec(&mark).unwrap()).unwrap();
        Attempt { job, folder, programs: programs() }
    }

    pub(crate) fn revision(mut self, revision: &str) -> Self {
        self.job.source.revision = Revision::parse(revision).unwrap();
        self
    }

    pub(crate) fn publish(mut self, folder: &str) -> Self {
        self.job.publish = Some(PublishPath::parse(folder).unwrap());
        self
    }

    pub(crate) fn rules(mut self, change: impl FnOnce(&mut JobRules)) -> Self {
        change(&mut self.job.rules);
        self
    }

    /// Keeps folders under the name `deps`, by a lock file.
    pub(crate) fn cache(mut self, paths: &[&str], lock_file: &str) -> Self {
        self.job.caches.push(CacheSpec {
            name: CacheName::new("deps").unwrap(),
            paths: paths.iter().map(|path| CachePath::parse(path).unwrap()).collect(),
            lock_files: vec![PublishPath::parse(lock_file).unwrap()],
        });
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.job.env.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn secret(mut self, name: &str, value: &str) -> Self {
        self.job.secrets.insert(name.to_owned(), SecretString::from(value));
        self
    }

    /// Runs the command as a user, whose folder is made as an executor makes it.
    pub(crate) fn user(mut self, user: u32) -> Self {
        self.job.user = Some(user);
        std::os::unix::fs::chown(self.folder.path(), None, Some(user)).unwrap();
        std::fs::set_permissions(self.folder.path(), PermissionsExt::from_mode(0o710)).unwrap();
        std::fs::set_permissions(self.path(AttemptFolder::ATTEMPT), PermissionsExt::from_mode(0o600)).unwrap();
        self
    }

    /// Puts one more program of this machine into the runner's search path.
    pub(crate) fn with_program(self, name: &str) -> Self {
        std::os::unix::fs::symlink(Path::new("/usr/bin").join(name), self.programs.path().join(name)).unwrap();
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn work(&self, name: &str) -> PathBuf {
        self.path(AttemptFolder::WORK).join(name)
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path(AttemptFolder::LOG)).unwrap()
    }

    /// Starts the runner and gives it `input` as its job.
    pub(crate) async fn start_with(&self, input: &str) -> Child {
        let mut child = runner(self.folder.path(), self.programs.path());
        let mut stdin = child.stdin.take().unwrap();
        // A runner with nothing to do does not read it.
        let _ = stdin.write_all(input.as_bytes()).await;
        child
    }

    /// Starts the runner.
    pub(crate) async fn start(&self) -> Child {
        self.start_with(self.job.to_wire().expose_secret()).await
    }

    /// Runs the runner to its end and gives its exit record.
    pub(crate) async fn run(&self) -> Report {
        let child = self.start().await;
        self.end(child).await
    }

    /// Waits for the runner's end and gives its exit record.
    pub(crate) async fn end(&self, child: Child) -> Report {
        assert!(ended(child).await.success());
        self.record()
    }

    pub(crate) fn record(&self) -> Report {
        let record = std::fs::read(self.path(AttemptFolder::EXIT)).expect("there is an exit record");
        let record: ExitRecord = serde_json::from_slice(&record).unwrap();
        assert_eq!(record.attempt, self.job.attempt);
        assert!(!self.path(BETRAYAL).exists(), "the runner started `git`");
        record.report
    }
}

/// The variable, and the file in the attempt's folder, by which a `git` that the runner starts betrays it.
const BETRAYAL: &str = "GIT_WAS_STARTED";

/// The runner's program, as an executor starts it: leader of a group, with a cookie.
fn runner(folder: &Path, programs: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_netbuild-runner"))
        .arg(netbuild_runner::runner::RUNNER_ARGUMENT)
        .arg(folder)
        .env_clear()
        .env("PATH", programs)
        .env(AttemptFolder::COOKIE, "nb-test.1")
        .env(BETRAYAL, folder.join(BETRAYAL))
        // What must not reach gix.
        .env("GIT_DIR", "/nonexistent")
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .env("http_proxy", "http://127.0.0.1:1")
        .process_group(0)
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// A folder with the few programs that commands need, and a `git` that betrays who starts it.
fn programs() -> tempfile::TempDir {
    const NAMES: [&str; 14] =
        ["sh", "sleep", "cat", "mkdir", "ln", "env", "setsid", "head", "yes", "rm", "mkfifo", "touch", "cp", "chmod"];
    let folder = tempfile::tempdir().unwrap();
    for name in NAMES {
        let places = ["/bin", "/usr/bin"].map(|folder| Path::new(folder).join(name));
        let place = places.iter().find(|place| place.exists()).expect(name);
        std::os::unix::fs::symlink(place, folder.path().join(name)).unwrap();
    }
    let git = folder.path().join("git");
    std::fs::write(&git, format!("#!/bin/sh\necho \"$@\" > \"${BETRAYAL}\"\n")).unwrap();
    for path in [&git, folder.path()] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    folder
}

/// Waits for a process with the tests' patience.
pub(crate) async fn ended(mut child: Child) -> ExitStatus {
    tokio::time::timeout(PATIENCE, child.wait()).await.expect("the runner ends").unwrap()
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("waited for: {what}"));
}

/// Whether a process lives, by the pid that it wrote to a file.
pub(crate) fn lives(pid_file: &Path) -> bool {
    let pid = std::fs::read_to_string(pid_file).unwrap();
    match std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())) {
        Ok(stat) => !stat.rsplit_once(") ").unwrap().1.starts_with('Z'),
        Err(_) => false,
    }
}

pub(crate) fn cause(report: &Report) -> Cause {
    match &report.outcome {
        Outcome::Failed(failure) => failure.cause.clone(),
        other => panic!("not failed: {other:?}"),
    }
}

pub(crate) fn evidence(report: &Report) -> &str {
    &report.outcome.failure().expect("a failure").evidence
}

pub(crate) fn deploy(report: &Report) -> DeployInfo {
    match &report.outcome {
        Outcome::Succeeded { deploy: Some(deploy) } => deploy.clone(),
        other => panic!("no deploy: {other:?}"),
    }
}
