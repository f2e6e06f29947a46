//! A host on embedded defaults: one SQLite file, processes of this machine, a folder as the origin. The examples share it;
//! a service wires the same parts in its own way.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use netbuild_core::engine::EngineConfig;
use netbuild_core::intake::{Publisher, PublisherConfig};
use netbuild_core::log::FileLogStore;
use netbuild_core::model::{ExecutorName, GatewayKey, HolderId, InvalidName, JobRules, PublisherId};
use netbuild_core::port::{
    Clock, Event, Executor, FixedRouter, Ledger, LedgerError, LogStore, Observer, Outbox, OutboxError, Recorded, Secrets,
    SystemClock,
};
use netbuild_core::scheduler::{Handle, PolicyFactory, Scheduler, SchedulerConfig, SchedulerPorts};
use netbuild_queue::sqlite::{SqliteOptions, SqliteStore};
use netbuild_runner::gateway::{Gateway, GatewayLimits, GatewayParts};
use netbuild_vm::process::{ProcessExecutor, ProcessOptions, RunnerCommand};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::faults::{Fault, FaultyExecutor, FaultyLedger};

/// What a host is made of.
#[derive(Debug)]
pub struct HostOptions {
    /// The folder that holds everything.
    pub state: PathBuf,
    /// The folder of the published files; `None`: `origin` in the state folder.
    pub origin: Option<PathBuf>,
    /// How many attempts run at once.
    pub slots: u32,
    /// The times and bounds of the engine.
    pub engine: EngineConfig,
    /// How long another scheduler waits after this one died.
    pub leader_ttl: Duration,
    /// Several hosts share the state folder, and one leads.
    pub shared: bool,
    /// The secrets.
    pub secrets: Arc<dyn Secrets>,
    /// Who is told.
    pub observer: Arc<dyn Observer>,
    /// A fault, for tests.
    pub fault: Fault,
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
    outbox: Arc<dyn Outbox>,
    publisher: Arc<Publisher>,
    executor: Arc<ProcessExecutor>,
    shutdown: CancellationToken,
    tasks: JoinSet<Result<(), HostError>>,
    _lock: Option<File>,
}

/// Why a host cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// Another host works in the state folder.
    #[error("another process works in {}: wait for its end, or choose another --state", .0.display())]
    StateInUse(PathBuf),
    /// A folder or file of the state could not be made or opened.
    #[error("{}: {source}", path.display())]
    State {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error("the store of the state folder cannot be opened")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The origin cannot be opened.
    #[error("the origin cannot be opened")]
    Origin(#[source] object_store::Error),
    /// No address for the gateway.
    #[error("the gateway has no address")]
    Gateway(#[source] io::Error),
    /// The ledger failed.
    #[error("the ledger failed")]
    Ledger(#[from] LedgerError),
    /// The state folder's path has no form as a name.
    #[error(transparent)]
    Name(#[from] InvalidName),
}

impl Host {
    /// Starts all parts. What an earlier host left unfinished in the state folder goes on at once.
    ///
    /// # Errors
    /// [`HostError`].
    pub async fn start(options: HostOptions, policy: PolicyFactory) -> Result<Host, HostError> {
        let state = options.state;
        make_folder(&state)?;
        let lock = if options.shared { None } else { Some(lock(&state)?) };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());

        let store = SqliteStore::open(state.join("netbuild.db"), SqliteOptions::default(), clock.clone());
        let store = store.await.map_err(|error| HostError::Store(error.into()))?;
        let ledger: Arc<dyn Ledger> = Arc::new(FaultyLedger::new(Arc::new(store.ledger()), options.fault));
        let outbox = store.outbox(PublisherId::new("quickstart")?).await;
        let outbox: Arc<dyn Outbox> = Arc::new(outbox.map_err(|error| HostError::Store(error.into()))?);
        let queue = Arc::new(store.queue());
        let logs: Arc<dyn LogStore> = Arc::new(FileLogStore::new(state.join("logs")));

        let origin = options.origin.unwrap_or_else(|| state.join("origin"));
        make_folder(&origin)?;
        let origin: Arc<dyn ObjectStore> =
            Arc::new(LocalFileSystem::new_with_prefix(&origin).map_err(HostError::Origin)?);

        let process = Arc::new(process_executor(&state, options.slots).await?);
        let faulty: Arc<dyn Executor> = Arc::new(FaultyExecutor::new(process.clone(), options.fault));
        let name = ExecutorName::new("process")?;

        let listener = listen(&state).await.map_err(HostError::Gateway)?;
        let address = listener.local_addr().map_err(HostError::Gateway)?;
        let holder = HolderId::new(format!("{}-{address}", std::process::id()))?;
        let config = SchedulerConfig {
            rules: JobRules { allow_file: true, ..JobRules::default() },
            engine: options.engine,
            leader_ttl: options.leader_ttl,
            compare_every: Duration::from_secs(2),
            ..SchedulerConfig::new(holder, format!("http://{address}"))
        };
        let ports = SchedulerPorts {
            queue: queue.clone(),
            ledger: ledger.clone(),
            executors: BTreeMap::from([(name.clone(), faulty)]),
            router: Arc::new(FixedRouter::new(name)),
            secrets: options.secrets,
            logs: logs.clone(),
            observer: options.observer,
            clock,
        };
        let scheduler = Scheduler::new(ports, config, policy);
        let handle = scheduler.handle();
        let gateway = Gateway::new(GatewayParts {
            store: origin.clone(),
            control: Arc::new(handle.clone()),
            logs: logs.clone(),
            key: GatewayKey::from(&ledger.name_key().await?),
            limits: GatewayLimits::default(),
        });
        let publisher = Arc::new(Publisher::new(outbox.clone(), queue, PublisherConfig::default()));

        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (token, publishing) = (shutdown.clone(), publisher.clone());
        tasks.spawn(async move {
            publishing.run(token).await;
            Ok(())
        });
        let token = shutdown.clone();
        tasks.spawn(async move { gateway.serve(listener, token).await.map_err(HostError::Gateway) });
        let token = shutdown.clone();
        tasks.spawn(async move { scheduler.run(token).await.map_err(HostError::Ledger) });
        Ok(Host {
            handle,
            ledger,
            logs,
            origin,
            outbox,
            publisher,
            executor: process,
            shutdown,
            tasks,
            _lock: lock,
        })
    }

    /// Accepts an event: Ok once it is durable.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub async fn submit(&self, event: Event) -> Result<Recorded, OutboxError> {
        let mut recorded = self.outbox.record(&[event]).await?;
        self.publisher.wake();
        Ok(recorded.remove(0))
    }

    /// Ends when a part of the host does, which none does by itself.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn broken(&mut self) -> Result<(), HostError> {
        match self.tasks.join_next().await {
            Some(Ok(ended)) => ended,
            Some(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
            None => Ok(()),
        }
    }

    /// Stops all parts in order. Attempts that run go on, and the next host in this state folder adopts them.
    ///
    /// # Errors
    /// The first part's that failed.
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

async fn process_executor(state: &Path, slots: u32) -> Result<ProcessExecutor, HostError> {
    let root = state.join("attempts");
    let program = std::env::current_exe().map_err(|source| HostError::State { path: root.clone(), source })?;
    let runner = RunnerCommand { program, args: vec![OsString::from(netbuild_runner::runner::RUNNER_ARGUMENT)] };
    let options = ProcessOptions { slots, ..ProcessOptions::new(root.clone(), runner) };
    ProcessExecutor::open(options).await.map_err(|error| HostError::Store(error.into()))
}

/// The address of the last time, if it is free: runners that live on know no other.
async fn listen(state: &Path) -> io::Result<TcpListener> {
    let file = state.join("gateway.address");
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    let listener = match TcpListener::bind(known.trim()).await {
        Ok(listener) if listener.local_addr()?.ip().is_loopback() => listener,
        _ => TcpListener::bind("127.0.0.1:0").await?,
    };
    std::fs::write(&file, listener.local_addr()?.to_string())?;
    Ok(listener)
}

fn make_folder(path: &Path) -> Result<(), HostError> {
    std::fs::create_dir_all(path).map_err(|source| HostError::State { path: path.to_owned(), source })
}

/// Locks the state folder for the life of the process; the kernel frees it whatever the end.
fn lock(state: &Path) -> Result<File, HostError> {
    let path = state.join("lock");
    let open = File::options().create(true).truncate(false).write(true).open(&path);
    let file = open.map_err(|source| HostError::State { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(HostError::StateInUse(state.to_owned())),
        Err(TryLockError::Error(source)) => Err(HostError::State { path, source }),
    }
}
