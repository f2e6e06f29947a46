//! A host on embedded defaults: one SQLite file, processes of this machine, a folder as the origin. The examples share it;
//! a service wires the same parts in its own way.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, Permissions, TryLockError};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use netbuild_core::engine::EngineConfig;
use netbuild_core::intake::{Publisher, PublisherConfig};
use netbuild_core::log::FileLogStore;
use netbuild_core::model::{ExecutorName, GatewayKey, HolderId, InvalidName, JobRules, PublisherId};
use netbuild_core::port::{
    Clock, Event, Executor, FixedRouter, Ledger, LedgerError, LogStore, NoObserver, NoSecrets, Observer, Outbox,
    OutboxError, Recorded, Secrets, Source, SystemClock,
};
use netbuild_core::scheduler::{Handle, PolicyFactory, Scheduler, SchedulerConfig, SchedulerPorts};
use netbuild_queue::sqlite::{SqliteError, SqliteOptions, SqliteStore};
use netbuild_runner::gateway::{CacheLimits, Caches, Gateway, GatewayLimits, GatewayParts};
use netbuild_runner::runner::RUNNER_ARGUMENT;
use netbuild_vm::process::{OpenError, ProcessExecutor, ProcessOptions, RunnerCommand};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::faults::{Fault, FaultyExecutor, FaultyLedger};

/// The time between two sweeps of the caches.
const SWEEP: Duration = Duration::from_secs(6 * 3600);

/// What a host is made of.
#[derive(Clone, Debug)]
pub struct HostOptions {
    /// The folder that holds everything.
    pub state: PathBuf,
    /// The folder of the published files; `None`: `origin` in the state folder.
    pub origin: Option<PathBuf>,
    /// How many attempts run at once. Default 2.
    pub slots: u32,
    /// The times and bounds of the engine. Default: its own, but an executor without room is asked again after 200 ms.
    pub engine: EngineConfig,
    /// How long another scheduler waits after this one died. Default 2 s.
    pub leader_ttl: Duration,
    /// Other hosts may use the state folder at the same time, and one of them leads. Default no.
    pub shared: bool,
    /// The secrets. Default none.
    pub secrets: Arc<dyn Secrets>,
    /// Who is told. Default nobody.
    pub observer: Arc<dyn Observer>,
    /// A fault, for tests. Default none.
    pub fault: Fault,
}

impl HostOptions {
    /// The defaults over a state folder.
    pub fn new(state: impl Into<PathBuf>) -> Self {
        HostOptions {
            state: state.into(),
            origin: None,
            slots: 2,
            // A slot is free when its runner is gone, a moment after it reported: on one machine that is soon.
            engine: EngineConfig { ask_again: Duration::from_millis(200), ..EngineConfig::default() },
            leader_ttl: Duration::from_secs(2),
            shared: false,
            secrets: Arc::new(NoSecrets),
            observer: Arc::new(NoObserver),
            fault: Fault::default(),
        }
    }
}

/// A running host.
#[derive(Debug)]
pub struct Host {
    /// The scheduler's door.
    pub handle: Handle,
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// The logs.
    pub logs: Arc<dyn LogStore>,
    /// The published files.
    pub origin: Arc<dyn ObjectStore>,
    /// The user ids that commands run as, or why they run as the user of this process.
    pub users: Result<Range<u32>, OpenError>,
    publisher: Arc<Publisher>,
    executor: Arc<ProcessExecutor>,
    shutdown: CancellationToken,
    tasks: JoinSet<Result<(), LedgerError>>,
    _lock: File,
}

/// Why a host cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// Another host works in the state folder.
    #[error("another process works in {}: wait for its end, or choose another folder", .0.display())]
    StateInUse(PathBuf),
    /// A folder or file of the state could not be made or opened.
    #[error("{} cannot be made or opened", path.display())]
    State {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error("the store of the state folder cannot be opened")]
    Store(#[from] SqliteError),
    /// The outbox cannot be opened.
    #[error("the outbox cannot be opened")]
    Outbox(#[from] OutboxError),
    /// The executor or the origin cannot be opened.
    #[error("the executor or the origin cannot be opened")]
    Part(#[source] Source),
    /// No address for the gateway.
    #[error("the gateway has no address")]
    Gateway(#[source] io::Error),
    /// The ledger failed.
    #[error("the ledger failed")]
    Ledger(#[from] LedgerError),
    /// A name is none.
    #[error(transparent)]
    Name(#[from] InvalidName),
}

impl Host {
    /// Starts all parts. What an earlier host left unfinished in the state folder goes on at once.
    ///
    /// # Errors
    /// [`HostError`].
    pub async fn start(options: HostOptions, policy: PolicyFactory) -> Result<Host, HostError> {
        let state = &options.state;
        make_state(state)?;
        let lock = lock(state, options.shared)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());

        let store = SqliteStore::open(state.join("netbuild.db"), SqliteOptions::default(), clock.clone()).await?;
        let ledger: Arc<dyn Ledger> = Arc::new(FaultyLedger::new(Arc::new(store.ledger()), options.fault));
        let outbox: Arc<dyn Outbox> = Arc::new(store.outbox(PublisherId::new("host")?).await?);
        let queue = Arc::new(store.queue());
        let publisher = Arc::new(Publisher::new(outbox, queue.clone(), clock.clone(), PublisherConfig::default()));
        let rules = JobRules { allow_file: true, ..JobRules::default() };
        make_private(&state.join("logs"))?;
        let logs: Arc<dyn LogStore> = Arc::new(FileLogStore::new(state.join("logs"), rules.log_bytes + (1 << 20)));
        let origin = match &options.origin {
            Some(folder) => folder.clone(),
            None => state.join("origin"),
        };
        if options.origin.is_none() {
            make_private(&origin)?;
        }
        let origin = open_origin(origin)?;

        let (process, users) = open_executor(state, options.slots, clock.clone()).await?;
        let process = Arc::new(process);
        let executor: Arc<dyn Executor> = Arc::new(FaultyExecutor::new(process.clone(), options.fault));
        let name = ExecutorName::new("process")?;

        let listener = listen(state, options.shared).await.map_err(HostError::Gateway)?;
        let address = listener.local_addr().map_err(HostError::Gateway)?;
        let holder = HolderId::new(format!("{}-{address}", std::process::id()))?;
        let config = SchedulerConfig {
            rules,
            engine: options.engine.clone(),
            leader_ttl: options.leader_ttl,
            compare_every: Duration::from_secs(2),
            ..SchedulerConfig::new(holder, format!("http://{address}"))
        };
        let ports = SchedulerPorts {
            queue,
            ledger: ledger.clone(),
            executors: BTreeMap::from([(name.clone(), executor)]),
            router: Arc::new(FixedRouter::new(name)),
            secrets: options.secrets.clone(),
            logs: logs.clone(),
            observer: options.observer.clone(),
            clock: clock.clone(),
        };
        let scheduler = Scheduler::new(ports, config, policy);
        let handle = scheduler.handle();
        let caches = Caches::new(origin.clone(), CacheLimits::default(), clock.clone());
        let gateway = Gateway::new(GatewayParts {
            store: origin.clone(),
            caches: caches.clone(),
            control: Arc::new(handle.clone()),
            logs: logs.clone(),
            key: GatewayKey::from(&ledger.name_key().await?),
            limits: GatewayLimits::default(),
        });

        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (token, publishing) = (shutdown.clone(), publisher.clone());
        tasks.spawn(async move {
            publishing.run(token).await;
            Ok(())
        });
        let token = shutdown.clone();
        tasks.spawn(async move {
            gateway.serve(listener, token).await;
            Ok(())
        });
        tasks.spawn(sweep(caches, shutdown.clone()));
        tasks.spawn(scheduler.run(shutdown.clone()));
        Ok(Host { handle, ledger, logs, origin, users, publisher, executor: process, shutdown, tasks, _lock: lock })
    }

    /// Accepts an event: Ok once it is durable. The same event again is answered with the build of the first.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub async fn submit(&self, event: Event) -> Result<Recorded, OutboxError> {
        Ok(self.submit_all(&[event]).await?.remove(0))
    }

    /// Accepts events in their order, all of them or none.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub async fn submit_all(&self, events: &[Event]) -> Result<Vec<Recorded>, OutboxError> {
        self.publisher.record(events).await
    }

    /// Ends when a part of the host does, which none does by itself.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn broken(&mut self) -> Result<(), HostError> {
        match self.tasks.join_next().await {
            Some(Ok(ended)) => Ok(ended?),
            Some(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
            None => Ok(()),
        }
    }

    /// Stops all parts. Attempts that run go on, and the next host in this state folder adopts them.
    ///
    /// # Errors
    /// Of the first part that failed.
    pub async fn stop(mut self) -> Result<(), HostError> {
        self.shutdown.cancel();
        let mut outcome = Ok(());
        while !self.tasks.is_empty() {
            outcome = outcome.and(self.broken().await);
        }
        self.executor.shutdown().await;
        outcome
    }
}

/// Removes caches that are too old or too many, now and some times a day.
async fn sweep(caches: Caches, shutdown: CancellationToken) -> Result<(), LedgerError> {
    while !shutdown.is_cancelled() {
        if let Err(error) = caches.sweep().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "caches could not be swept");
        }
        // Ends early with the host; either way the condition is looked at.
        let _over = shutdown.run_until_cancelled(tokio::time::sleep(SWEEP)).await;
    }
    Ok(())
}

/// Attempts as processes of this machine; this very program is their runner. Their commands run as users of their own
/// where that is possible.
async fn open_executor(
    state: &Path,
    slots: u32,
    clock: Arc<dyn Clock>,
) -> Result<(ProcessExecutor, Result<Range<u32>, OpenError>), HostError> {
    let root = state.join("attempts");
    let failed = |source| HostError::State { path: root.clone(), source };
    let program = std::env::current_exe().map_err(failed)?;
    let users = users(state).map_err(failed)?;
    let runner = RunnerCommand::new(program).arg(RUNNER_ARGUMENT);
    let options = ProcessOptions { slots, ..ProcessOptions::new(&root, runner) };
    let apart = ProcessOptions { users: Some(users.clone()), ..options.clone() };
    let opened = match ProcessExecutor::open(apart, clock.clone()).await {
        Ok(executor) => Ok((executor, Ok(users))),
        Err(why @ (OpenError::NotRoot | OpenError::Unreachable { .. })) => {
            ProcessExecutor::open(options, clock).await.map(|executor| (executor, Err(why)))
        }
        Err(error) => Err(error),
    };
    opened.map_err(|error| HostError::Part(error.into()))
}

/// A thousand user ids, far above those that accounts usually have: whatever runs as one of them is killed when its attempt
/// is over. Two state folders of this machine have the same thousand when the last five digits of their inodes are equal,
/// which is unlikely and not excluded; a host that runs for others takes a range that its operator gives.
fn users(state: &Path) -> io::Result<Range<u32>> {
    let block = std::fs::metadata(state)?.ino() % 100_000;
    let first = 1_900_000_000 + u32::try_from(block).unwrap_or_default() * 1_000;
    Ok(first..first + 1_000)
}

fn open_origin(folder: PathBuf) -> Result<Arc<dyn ObjectStore>, HostError> {
    make_folder(&folder)?;
    let store = LocalFileSystem::new_with_prefix(&folder).map_err(|error| HostError::Part(error.into()))?;
    Ok(Arc::new(store.with_fsync(true)))
}

/// The address of the last time, if it is free: runners that live on know no other. Hosts that share a folder have an
/// address each.
async fn listen(state: &Path, shared: bool) -> io::Result<TcpListener> {
    let any = "127.0.0.1:0";
    if shared {
        return TcpListener::bind(any).await;
    }
    let file = state.join("gateway.address");
    let known = std::fs::read_to_string(&file).ok().and_then(|text| text.parse::<std::net::SocketAddr>().ok());
    let listener = match known.filter(|address| address.ip().is_loopback()) {
        Some(address) => match TcpListener::bind(address).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind(any).await?,
        },
        None => TcpListener::bind(any).await?,
    };
    let mut open = File::options();
    let mut file = open.write(true).create(true).truncate(true).mode(0o600).open(&file)?;
    file.write_all(listener.local_addr()?.to_string().as_bytes())?;
    Ok(listener)
}

fn make_folder(path: &Path) -> Result<(), HostError> {
    std::fs::create_dir_all(path).map_err(|source| HostError::State { path: path.to_owned(), source })
}

/// Makes the state folder: others may enter it on the way to their own folders in it, and see nothing.
fn make_state(path: &Path) -> Result<(), HostError> {
    let made = DirBuilder::new().recursive(true).mode(0o711).create(path);
    made.map_err(|source| HostError::State { path: path.to_owned(), source })
}

/// Makes a folder that only this user may enter.
fn make_private(path: &Path) -> Result<(), HostError> {
    let private = || {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o700))
    };
    private().map_err(|source| HostError::State { path: path.to_owned(), source })
}

/// Locks the state folder for the life of the process, alone or with others that share it; the kernel frees it whatever
/// the end.
fn lock(state: &Path, shared: bool) -> Result<File, HostError> {
    let path = state.join("lock");
    let open = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = open.map_err(|source| HostError::State { path: path.clone(), source })?;
    match if shared { file.try_lock_shared() } else { file.try_lock() } {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(HostError::StateInUse(state.to_owned())),
        Err(TryLockError::Error(source)) => Err(HostError::State { path, source }),
    }
}
