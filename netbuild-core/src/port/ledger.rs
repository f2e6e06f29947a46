//! The port of the scheduler side's record: the only truth after a crash.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use super::error::{Effect, Source};
use super::message::Message;
use crate::model::{
    AccountId, AttemptId, AttemptNumber, BuildId, BuildKey, BuildRecord, BuildState, Change, DeployContext, DeployInfo,
    Ending, ExecutorName, HolderId, IllegalChange, LeaderEpoch, NameKey, Place, ProjectId, Rank, Timestamp,
};

/// A batch of changes of one leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Who writes.
    pub epoch: LeaderEpoch,
    /// The batch's number within the epoch, from 1 without gaps. Repeating the last number is the way to ask again after
    /// an unknown answer: the ledger writes it once.
    pub number: u64,
    /// The changes, in order.
    pub changes: Vec<Change>,
}

/// What the ledger answers for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is new, and now durable.
    Admitted {
        /// Its place in the ledger's order.
        rank: Rank,
    },
    /// Its build id was admitted before: ack and forget it.
    Duplicate,
}

/// What an activation did. Repeating it answers the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// The deploy is the visible one, or was when it was activated.
    Visible,
    /// A newer build of the same project and context was visible before: the deploy stayed invisible.
    Superseded {
        /// The newer build's rank.
        by: Rank,
    },
}

impl Activation {
    /// What an earlier activation of this attempt did: every ledger answers a repetition by it.
    pub fn earlier(record: &BuildRecord, number: AttemptNumber) -> Option<Self> {
        let is_last = record.attempts.last().is_some_and(|last| last.number == number);
        match &record.state {
            BuildState::Ended { ending: Ending::Deployed { .. }, .. } if is_last => Some(Activation::Visible),
            BuildState::Ended { ending: Ending::Superseded { by, .. }, .. } if is_last => {
                Some(Activation::Superseded { by: *by })
            }
            _ => None,
        }
    }
}

/// How far a publisher's order was admitted. A duplicate counts: its place is dealt with, and nobody need wait for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The last admitted place of a publisher's newest epoch.
    pub last: Place,
}

/// A deploy that was visible at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deploy {
    /// The build that made it.
    pub build: BuildId,
    /// That build's rank.
    pub rank: Rank,
    /// Its content.
    pub info: DeployInfo,
    /// When it became visible the last time.
    pub activated_at: Timestamp,
    /// Whether it is the visible one.
    pub current: bool,
}

/// The durable record of builds, attempts, deploys and the leader lease.
///
/// # Contract
/// - `admit`, `append` and `activate` carry the leader's epoch and are refused with [`LedgerError::Fenced`] once a higher
///   one was given out, by comparing inside the same transaction that writes. So a frozen leader that wakes writes
///   nothing.
/// - `admit` gives each new build the next [`Rank`], in the order of the batch; a known build id is a duplicate, whatever
///   its tenant. A place at or below a publisher's cursor is no error: late messages are admitted.
/// - `append` applies every change through [`BuildRecord::apply`], all or none. Ok means durable.
/// - `activate` is the only way to make a deploy visible: one compare-and-set of (build waits for activation, this attempt
///   is its last, no newer build of the same project and context was ever activated). It ends the build in the same
///   transaction.
/// - `open_builds` gives what is not ended, by rank; together with the executors' lists it is all that a restart needs.
///
/// # Why this way
/// A build that runs for an hour must survive the broker, the scheduler and the network; only a store with a
/// compare-and-set can promise that an effect happens once. Life cycles are checked here too, by the code that the
/// engine uses, so that a wrong engine is refused and not recorded.
///
/// # How each backend satisfies it
/// | backend | fence | activation | restart |
/// |---|---|---|---|
/// | memory | a field under the lock | under the lock | none: for tests |
/// | SQLite | the lease row, read in the writing transaction | a row per project and context | rows by state |
/// | Postgres | the lease row, `FOR UPDATE` in the writing transaction | compared under that lock | rows by state |
#[async_trait]
pub trait Ledger: LeaderLease + History {
    /// The key of the name hash: made at the first call ever, the same for ever after.
    ///
    /// # Errors
    /// [`LedgerError`].
    async fn name_key(&self) -> Result<NameKey, LedgerError>;

    /// How far each publisher's order was admitted.
    ///
    /// # Errors
    /// [`LedgerError`].
    async fn cursors(&self) -> Result<Vec<Cursor>, LedgerError>;

    /// At most `max` builds that are not ended, with a rank above `after`, in order.
    ///
    /// # Errors
    /// [`LedgerError`].
    async fn open_builds(&self, after: Rank, max: usize) -> Result<Vec<BuildRecord>, LedgerError>;

    /// Takes messages in, with one answer for each, in order.
    ///
    /// # Errors
    /// [`LedgerError`]; repeating the call is harmless.
    async fn admit(&self, epoch: LeaderEpoch, batch: &[Message]) -> Result<Vec<Admission>, LedgerError>;

    /// Writes a batch of changes.
    ///
    /// # Errors
    /// [`LedgerError`]; repeat the same batch after an unknown answer.
    async fn append(&self, batch: &Batch) -> Result<(), LedgerError>;

    /// Makes the deploy of a succeeded attempt the visible one of its project and context, unless a newer build's was
    /// before, and ends the build.
    ///
    /// # Errors
    /// [`LedgerError::Illegal`] when the attempt is not the last of a build that waits for activation.
    async fn activate(&self, epoch: LeaderEpoch, attempt: &AttemptId) -> Result<Activation, LedgerError>;
}

/// The lease by which one of several schedulers leads.
///
/// The ledger's clock decides when it ends. The holder counts its own monotonic clock from *before* the renewing call, so
/// it always stops earlier than the ledger gives the lease away.
#[async_trait]
pub trait LeaderLease: Debug + Send + Sync + 'static {
    /// Takes the lease if it is free or over, or renews it if `holder` has it, for `ttl` from now.
    ///
    /// A holder that takes the lease when it does not hold it gets a new, higher epoch. So does one that comes back after
    /// its lease was over, even when nobody else took it: what it had in flight must not count.
    ///
    /// # Errors
    /// [`LedgerError`].
    async fn lead(&self, holder: &HolderId, ttl: Duration) -> Result<Lead, LedgerError>;

    /// Gives the lease back at once. An epoch that does not hold it is ignored.
    ///
    /// # Errors
    /// [`LedgerError`]; the lease then ends by itself.
    async fn resign(&self, epoch: LeaderEpoch) -> Result<(), LedgerError>;
}

/// The answer to asking for the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lead {
    /// The asker leads.
    Held {
        /// With this epoch.
        epoch: LeaderEpoch,
    },
    /// Somebody else leads.
    Taken {
        /// Who.
        by: HolderId,
        /// How long the lease still runs.
        left: Duration,
    },
}

/// Which builds [`History::builds`] gives. Every part narrows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildQuery {
    /// Of this account only.
    pub account: Option<AccountId>,
    /// With an attempt routed to this executor.
    pub executor: Option<ExecutorName>,
    /// Admitted at or after this time.
    pub since: Timestamp,
    /// Admitted before this time.
    pub until: Timestamp,
    /// With a rank above this one: for the next page.
    pub after: Rank,
    /// At most so many.
    pub max: usize,
}

impl Default for BuildQuery {
    /// Everything, in pages of 1,000.
    fn default() -> Self {
        BuildQuery {
            account: None,
            executor: None,
            since: Timestamp::EPOCH,
            until: Timestamp::from_millis(u64::MAX),
            after: Rank::default(),
            max: 1_000,
        }
    }
}

/// Reading what happened, and the one act that a person does by hand.
#[async_trait]
pub trait History: Debug + Send + Sync + 'static {
    /// One build, by its full key: a key of another tenant finds nothing.
    ///
    /// # Errors
    /// [`LedgerError`].
    async fn build(&self, key: &BuildKey) -> Result<Option<BuildRecord>, LedgerError>;

    /// Builds by rank.
    ///
    /// # Errors
    /// [`LedgerError`].
    async fn builds(&self, query: &BuildQuery) -> Result<Vec<BuildRecord>, LedgerError>;

    /// The deploys of a project's context that were ever visible, newest rank first.
    ///
    /// # Errors
    /// [`LedgerError`].
    async fn deploys(
        &self,
        account: &AccountId,
        project: &ProjectId,
        context: &DeployContext,
    ) -> Result<Vec<Deploy>, LedgerError>;

    /// Makes a deploy visible again that was visible before, or one that was superseded. Newer builds that end later
    /// become visible as ever; older ones do not.
    ///
    /// # Errors
    /// [`LedgerError::NoDeploy`] when that build made no deploy.
    async fn reactivate(&self, key: &BuildKey) -> Result<(), LedgerError>;
}

/// Why a ledger failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// A higher epoch leads: nothing was written. Step down.
    #[error("epoch {current} leads; nothing was written")]
    Fenced {
        /// The epoch that leads.
        current: LeaderEpoch,
    },
    /// A change does not fit the build's state: nothing was written. The engine and the ledger disagree; restore.
    #[error("a change was refused; nothing was written")]
    Illegal(#[from] IllegalChange),
    /// A batch's number is not the next one: nothing was written. Restore.
    #[error("the batch is numbered {got} where {expected} comes next; nothing was written")]
    BatchOrder {
        /// The number that comes next.
        expected: u64,
        /// The number it had.
        got: u64,
    },
    /// The build made no deploy, or the ledger does not know it.
    #[error("this build made no deploy")]
    NoDeploy,
    /// It cannot be reached or written, a full disk included: nothing was written. Try again.
    #[error("the ledger is not available; nothing was written")]
    Unavailable(#[source] Source),
    /// It gave no answer: the call may be written. Repeat it.
    #[error("the ledger gave no answer; the call may be written")]
    Unknown(#[source] Source),
    /// What it holds cannot be read. A person must look.
    #[error("the ledger holds something that cannot be read")]
    Corrupt(#[source] Source),
}

impl LedgerError {
    /// Whether the call may have had its effect.
    pub fn effect(&self) -> Effect {
        match self {
            LedgerError::Unknown(_) => Effect::Unknown,
            LedgerError::Fenced { .. }
            | LedgerError::Illegal(_)
            | LedgerError::BatchOrder { .. }
            | LedgerError::NoDeploy
            | LedgerError::Unavailable(_)
            | LedgerError::Corrupt(_) => Effect::None,
        }
    }
}
