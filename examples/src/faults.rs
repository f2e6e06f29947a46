//! Faults at named points, for the tests that kill and freeze a host: wrappers around two ports, so that nothing of this
//! is in the code that production runs.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use netbuild_core::model::{
    AccountId, AttemptId, BuildKey, BuildRecord, Change, DeployContext, HolderId, LeaderEpoch, NameKey, ProjectId, Rank,
};
use netbuild_core::port::{
    Activation, Admission, Batch, BuildQuery, Cursor, Deploy, Executor, ExecutorCapabilities, ExecutorError,
    ExecutorEvent, History, Lead, LeaderLease, Ledger, LedgerError, Listing, LogChunk, Message, StartError,
    StartRequest, Started,
};
use rustix::process::{Signal, getpid, kill_process};

/// Where a host can be hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// An attempt is in the ledger; the executor was not asked yet.
    BeforeStart,
    /// The executor has the attempt; the ledger does not know.
    AfterStart,
    /// The attempt's end is known here and nowhere written.
    BeforeSettle,
    /// The attempt is settled; its deploy is not visible yet.
    BeforeActivate,
    /// The deploy is visible; nobody was told.
    AfterActivate,
}

impl Point {
    /// All points, in the order in which a build comes by.
    pub const ALL: [Point; 5] =
        [Point::BeforeStart, Point::AfterStart, Point::BeforeSettle, Point::BeforeActivate, Point::AfterActivate];

    /// The name, for the environment variables.
    pub fn name(self) -> &'static str {
        match self {
            Point::BeforeStart => "before-start",
            Point::AfterStart => "after-start",
            Point::BeforeSettle => "before-settle",
            Point::BeforeActivate => "before-activate",
            Point::AfterActivate => "after-activate",
        }
    }
}

/// What happens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// `kill -9`.
    Kill,
    /// `kill -STOP`, again and again until the file that `NETBUILD_FREEZE_UNTIL` names exists: whoever freezes a process
    /// may let it run for a moment, for example because it holds a lock of its database.
    Freeze,
}

/// A fault at a point, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fault(pub Option<(Point, Hit)>);

impl Fault {
    /// Reads `NETBUILD_KILL_AT` and `NETBUILD_FREEZE_AT`.
    pub fn from_env() -> Self {
        let named = |variable: &str| {
            let name = std::env::var(variable).ok()?;
            Point::ALL.into_iter().find(|point| point.name() == name)
        };
        let kill = named("NETBUILD_KILL_AT").map(|point| (point, Hit::Kill));
        Fault(kill.or_else(|| named("NETBUILD_FREEZE_AT").map(|point| (point, Hit::Freeze))))
    }

    fn reached(self, point: Point) {
        match self.0.filter(|(at, _)| *at == point) {
            Some((_, Hit::Kill)) => strike(Signal::KILL),
            Some((_, Hit::Freeze)) => freeze(),
            None => {}
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a frozen process does not care which of its threads sleep")]
fn freeze() {
    let until = std::env::var_os("NETBUILD_FREEZE_UNTIL").unwrap_or_default();
    while !std::path::Path::new(&until).exists() {
        strike(Signal::STOP);
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn strike(signal: Signal) {
    kill_process(getpid(), signal).expect("a process may always signal itself");
}

/// An executor with a fault.
#[derive(Debug)]
pub struct FaultyExecutor {
    inner: Arc<dyn Executor>,
    fault: Fault,
}

impl FaultyExecutor {
    /// A fault around an executor.
    pub fn new(inner: Arc<dyn Executor>, fault: Fault) -> Self {
        FaultyExecutor { inner, fault }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Executor for FaultyExecutor {
    fn capabilities(&self) -> ExecutorCapabilities {
        self.inner.capabilities()
    }

    async fn start(&self, request: &StartRequest) -> Result<Started, StartError> {
        self.fault.reached(Point::BeforeStart);
        let answer = self.inner.start(request).await;
        self.fault.reached(Point::AfterStart);
        answer
    }

    async fn cancel(&self, attempt: &AttemptId, grace: Duration) -> Result<(), ExecutorError> {
        self.inner.cancel(attempt, grace).await
    }

    async fn list(&self) -> Result<Listing, ExecutorError> {
        self.inner.list().await
    }

    async fn events(&self) -> Result<BoxStream<'static, ExecutorEvent>, ExecutorError> {
        self.inner.events().await
    }

    async fn logs(&self, attempt: &AttemptId, from: u64, max: usize) -> Result<LogChunk, ExecutorError> {
        self.inner.logs(attempt, from, max).await
    }

    async fn remove(&self, attempt: &AttemptId) -> Result<(), ExecutorError> {
        self.inner.remove(attempt).await
    }
}

/// A ledger with a fault.
#[derive(Debug)]
pub struct FaultyLedger {
    inner: Arc<dyn Ledger>,
    fault: Fault,
}

impl FaultyLedger {
    /// A fault around a ledger.
    pub fn new(inner: Arc<dyn Ledger>, fault: Fault) -> Self {
        FaultyLedger { inner, fault }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Ledger for FaultyLedger {
    async fn name_key(&self) -> Result<NameKey, LedgerError> {
        self.inner.name_key().await
    }

    async fn cursors(&self) -> Result<Vec<Cursor>, LedgerError> {
        self.inner.cursors().await
    }

    async fn open_builds(&self, after: Rank, max: usize) -> Result<Vec<BuildRecord>, LedgerError> {
        self.inner.open_builds(after, max).await
    }

    async fn admit(&self, epoch: LeaderEpoch, batch: &[Message]) -> Result<Vec<Admission>, LedgerError> {
        self.inner.admit(epoch, batch).await
    }

    async fn append(&self, batch: &Batch) -> Result<(), LedgerError> {
        if batch.changes.iter().any(|change| matches!(change, Change::Settled { .. })) {
            self.fault.reached(Point::BeforeSettle);
        }
        self.inner.append(batch).await
    }

    async fn activate(&self, epoch: LeaderEpoch, attempt: &AttemptId) -> Result<Activation, LedgerError> {
        self.fault.reached(Point::BeforeActivate);
        let answer = self.inner.activate(epoch, attempt).await;
        self.fault.reached(Point::AfterActivate);
        answer
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl LeaderLease for FaultyLedger {
    async fn lead(&self, holder: &HolderId, ttl: Duration) -> Result<Lead, LedgerError> {
        self.inner.lead(holder, ttl).await
    }

    async fn resign(&self, epoch: LeaderEpoch) -> Result<(), LedgerError> {
        self.inner.resign(epoch).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl History for FaultyLedger {
    async fn build(&self, key: &BuildKey) -> Result<Option<BuildRecord>, LedgerError> {
        self.inner.build(key).await
    }

    async fn builds(&self, query: &BuildQuery) -> Result<Vec<BuildRecord>, LedgerError> {
        self.inner.builds(query).await
    }

    async fn deploys(
        &self,
        account: &AccountId,
        project: &ProjectId,
        context: &DeployContext,
    ) -> Result<Vec<Deploy>, LedgerError> {
        self.inner.deploys(account, project, context).await
    }

    async fn reactivate(&self, key: &BuildKey) -> Result<(), LedgerError> {
        self.inner.reactivate(key).await
    }
}
