//! The port of a backend that runs attempts.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use super::error::{Effect, Source};
use crate::model::{AttemptId, AttemptNumber, Build, BuildName, Cause, Failure, HostName, Job, Report, Timestamp};

/// An attempt to start.
#[derive(Clone, Debug)]
pub struct StartRequest {
    /// The name of what will run: the build's, without the attempt number, which makes it a lock.
    pub name: BuildName,
    /// The build, for its image, resources and trust.
    pub build: Arc<Build>,
    /// What the runner gets. Its attempt number is the fence.
    pub job: Job,
    /// Hosts on which earlier attempts failed for a reason of the host: not these, if there are others.
    pub avoid: Vec<HostName>,
}

/// The answer to a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    /// It was created by this call.
    Created {
        /// On which host, where the executor has hosts.
        host: Option<HostName>,
    },
    /// This very attempt was there already: an earlier call created it.
    Adopted {
        /// What is known of it now.
        observed: Observed,
    },
}

/// What an executor sees of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The attempt.
    pub attempt: AttemptId,
    /// On which host.
    pub host: Option<HostName>,
    /// Where it stands.
    pub phase: Phase,
}

/// Where an attempt stands, as its executor sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It is there; its runner does not run yet. The text says what it waits for, for people.
    Pending {
        /// For example `image pull`; empty when nothing is known.
        waits_for: String,
    },
    /// Its runner runs.
    Running {
        /// Since when.
        since: Timestamp,
    },
    /// It is over, nothing of it runs any more, and this is what was found. Without positive evidence of a success the
    /// outcome is a failure.
    Ended {
        /// The runner's own report, or what was concluded from the backend's evidence.
        report: Report,
    },
    /// Its host does not answer: it may run or not.
    Unknown,
}

/// All that an executor runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Every attempt it sees, ended and not yet removed ones included.
    pub attempts: Vec<Observed>,
    /// Whether the list is complete: then what is not in it is gone. `false` when a host did not answer.
    pub complete: bool,
}

/// News from an executor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecutorEvent {
    /// An attempt was seen in a phase.
    Observed(Observed),
    /// Events may have been missed: list.
    Gap,
}

/// A piece of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogChunk {
    /// The offset of its first byte. Above the asked one when the bytes between are lost: the caller marks the gap.
    pub offset: u64,
    /// The bytes, already masked. Empty: nothing more for now.
    pub bytes: Bytes,
    /// Whether the log ends here for ever.
    pub end: bool,
}

/// What an executor can do beyond the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutorCapabilities {
    /// How many attempts it runs at once; `None` when it alone decides, by [`StartError::Full`].
    pub slots: Option<u32>,
    /// It runs attempts in images.
    pub images: bool,
    /// Attempts live on when the scheduler's process ends.
    pub survives_scheduler: bool,
    /// After TERM it kills at the end of the grace.
    pub cancel_grace: bool,
}

/// A backend that runs attempts: processes, containers, pods.
///
/// # Contract
/// - `start` is idempotent, by build name, then by fence. With the name taken by the same fence it answers
///   [`Started::Adopted`]; by a lower fence that is over, it removes that one for good and creates; by a lower fence
///   that runs or cannot be judged, it fails with [`StartError::NameTaken`]; by a higher fence, with
///   [`StartError::Stale`]. So of all attempts of a build at most one is alive in one executor.
/// - An attempt that was started once is never started a second time: after its end, `start` with the same fence adopts
///   the ended one, until it is removed.
/// - `list` is the truth, `events` are hints that save polling: after a gap, a reconnect and every few seconds the
///   scheduler lists and compares. An attempt that is absent from a complete list is gone.
/// - [`Phase::Ended`] is told only when nothing of the attempt runs any more, and a success only on positive evidence: a
///   report of the runner. What vanished is [`Cause::Lost`].
/// - `cancel` asks to end: TERM, the grace, KILL. Ok means asked; the end comes as [`Phase::Ended`].
/// - `remove` frees the name and everything else of an ended attempt, and only of that very attempt.
/// - Every call has a deadline of the executor's own; past it the answer is of unknown effect.
/// - Calls may be dropped at any await point; the effect is then unknown.
///
/// # Why this way
/// Schedulers crash between asking and hearing. With names that collide on purpose a repeated start finds the first one,
/// so neither a list before each start nor a lock service is needed; the cluster or host is the lock.
///
/// # How each backend satisfies it
/// | backend | name as lock | fence | end | absent |
/// |---|---|---|---|---|
/// | process | a folder made with `mkdir` and a file lock of the runner | a file in the folder | exit record, no process of the group left | folder gone |
/// | Docker | container name, 409 Conflict | label | inspect of the container, exit record | 404 from a daemon that answers |
/// | Kubernetes | pod name, 409 AlreadyExists | label | pod status, reason before exit code | not in a list from the API server |
#[async_trait]
pub trait Executor: Debug + Send + Sync + 'static {
    /// What it can do beyond the contract.
    fn capabilities(&self) -> ExecutorCapabilities;

    /// Starts an attempt, or finds it.
    ///
    /// # Errors
    /// [`StartError`].
    async fn start(&self, request: &StartRequest) -> Result<Started, StartError>;

    /// Asks an attempt to end. Asking again is harmless; an attempt that is not there is no error.
    ///
    /// # Errors
    /// [`ExecutorError`]; ask again.
    async fn cancel(&self, attempt: &AttemptId, grace: Duration) -> Result<(), ExecutorError>;

    /// Everything that it runs.
    ///
    /// # Errors
    /// [`ExecutorError`]; nothing follows from it about any attempt.
    async fn list(&self) -> Result<Listing, ExecutorError>;

    /// News, in one stream for the whole executor. A new stream begins with [`ExecutorEvent::Gap`]; one that ends is
    /// opened again.
    ///
    /// # Errors
    /// [`ExecutorError`]; try again.
    async fn events(&self) -> Result<BoxStream<'static, ExecutorEvent>, ExecutorError>;

    /// The log from an offset on, at most `max` bytes. An attempt that is not there has an empty log that ends.
    ///
    /// # Errors
    /// [`ExecutorError`]; try again.
    async fn logs(&self, attempt: &AttemptId, from: u64, max: usize) -> Result<LogChunk, ExecutorError>;

    /// Removes an ended attempt for good. One that is not there is no error; one that is not over is left alone with
    /// [`ExecutorError::StillRuns`].
    ///
    /// # Errors
    /// [`ExecutorError`]; try again.
    async fn remove(&self, attempt: &AttemptId) -> Result<(), ExecutorError>;
}

/// Why a start failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No room now: nothing was started. Wait for capacity; this is no failure of the attempt.
    #[error("the executor has no room; nothing was started")]
    Full,
    /// It will not start this: the failure says why and whose fault it is. Nothing runs.
    #[error("the executor refused the attempt: {0}")]
    Refused(Failure),
    /// An earlier attempt of the build has the name and is not certainly over: list, and wait for its end.
    #[error("attempt {by} of the build has the name and is not certainly over")]
    NameTaken {
        /// That attempt.
        by: AttemptNumber,
    },
    /// A later attempt of the build has the name: the caller is stale and must stop.
    #[error("attempt {by} of the build, a later one, has the name: this scheduler is stale")]
    Stale {
        /// That attempt.
        by: AttemptNumber,
    },
    /// It cannot be reached: nothing was started. Ask again.
    #[error("the executor is not available; nothing was started")]
    Unavailable(#[source] Source),
    /// No answer: it may be started. Ask again with the same attempt.
    #[error("the executor gave no answer; the attempt may be started")]
    Unknown(#[source] Source),
}

impl StartError {
    /// A refusal.
    pub fn refused(cause: Cause, evidence: impl Into<String>) -> Self {
        StartError::Refused(Failure::new(cause, evidence))
    }

    /// Whether the attempt may be started.
    pub fn effect(&self) -> Effect {
        match self {
            StartError::Unknown(_) => Effect::Unknown,
            StartError::Full
            | StartError::Refused(_)
            | StartError::NameTaken { .. }
            | StartError::Stale { .. }
            | StartError::Unavailable(_) => Effect::None,
        }
    }
}

/// Why another call of an executor failed. All of them may be asked again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecutorError {
    /// Only an ended attempt can be removed.
    #[error("the attempt still runs: cancel it first")]
    StillRuns,
    /// It cannot be reached: nothing happened.
    #[error("the executor is not available; nothing happened")]
    Unavailable(#[source] Source),
    /// No answer: it may have happened.
    #[error("the executor gave no answer; the call may have had its effect")]
    Unknown(#[source] Source),
}
