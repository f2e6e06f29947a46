//! What goes into the engine and what comes out.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{
    AttemptId, Build, BuildKey, CancelReason, Change, ExecutorName, Failure, HostName, Rank, Report, RunPhase,
};
use crate::port::{Activation, Listing, Notice, Observed, StartError, Started};

/// Something that happened. Inputs may come late, twice or out of order: what no longer fits is ignored and counted.
#[derive(Clone, Debug)]
pub enum Input {
    /// The ledger admitted a build.
    Admitted {
        /// The build.
        build: Arc<Build>,
        /// Its place in the order.
        rank: Rank,
    },
    /// Somebody wants a build to end.
    CancelAsked {
        /// The build.
        build: BuildKey,
        /// Who.
        reason: CancelReason,
    },
    /// How many attempts an executor may run at once from now on. The first one makes its lane.
    Capacity {
        /// The executor.
        executor: ExecutorName,
        /// `None`: it decides by itself, by refusing.
        slots: Option<u32>,
    },
    /// An executor answered a start.
    StartAnswered {
        /// The attempt.
        attempt: AttemptId,
        /// The answer.
        answer: StartAnswer,
    },
    /// An executor told of an attempt.
    Observed {
        /// The executor.
        executor: ExecutorName,
        /// What it saw.
        observed: Observed,
    },
    /// An executor listed what it runs.
    Listed {
        /// The executor.
        executor: ExecutorName,
        /// [`Engine::steps`](super::Engine::steps) when it was asked: an attempt that was accepted later proves nothing by
        /// being absent.
        asked_at_step: u64,
        /// What it runs.
        listing: Listing,
    },
    /// A runner's heartbeat reached the gateway.
    Beat {
        /// The attempt.
        attempt: AttemptId,
        /// The phase it is in.
        phase: RunPhase,
    },
    /// A runner's report reached the gateway.
    Reported {
        /// The attempt.
        attempt: AttemptId,
        /// What it says.
        report: Report,
    },
    /// The ledger answered an activation.
    Activated {
        /// The attempt.
        attempt: AttemptId,
        /// Its answer; `None` when it gave none and must be asked again.
        answer: Option<Activation>,
    },
    /// Time passed: what is due is done.
    Tick,
}

/// An executor's answer to a start, as plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartAnswer {
    /// It has the attempt.
    Started(Started),
    /// It has no room.
    Full,
    /// It will not.
    Refused(Failure),
    /// An earlier attempt is not certainly over.
    NameTaken {
        /// That attempt.
        by: AttemptId,
    },
    /// A later attempt exists: this engine is stale.
    Stale,
    /// It was not reached: nothing was started.
    Unavailable,
    /// It may be started.
    Unknown,
}

impl StartAnswer {
    /// The answer of a port call about `attempt`, without the parts that are for people.
    pub fn of(attempt: &AttemptId, answer: Result<Started, StartError>) -> Self {
        match answer {
            Ok(started) => StartAnswer::Started(started),
            Err(StartError::Full) => StartAnswer::Full,
            Err(StartError::Refused(failure)) => StartAnswer::Refused(failure),
            Err(StartError::NameTaken { by }) => StartAnswer::NameTaken { by: attempt.build.attempt(by) },
            Err(StartError::Stale { .. }) => StartAnswer::Stale,
            Err(StartError::Unavailable(_)) => StartAnswer::Unavailable,
            Err(StartError::Unknown(_)) => StartAnswer::Unknown,
        }
    }
}

/// What to do, in three kinds: first `persist` must be durable, whole; then `act` is carried out, in any order; and
/// `notify` is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// To be written to the ledger before anything else happens.
    pub persist: Vec<Change>,
    /// To be carried out.
    pub act: Vec<Action>,
    /// To be told.
    pub notify: Vec<Notice>,
}

impl Effects {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.persist.is_empty() && self.act.is_empty() && self.notify.is_empty()
    }
}

/// Something to carry out, outside the engine. Each may be carried out twice without harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask an executor to start an attempt; answer with [`Input::StartAnswered`].
    Start {
        /// The attempt.
        attempt: AttemptId,
        /// Its executor.
        executor: ExecutorName,
        /// The build.
        build: Arc<Build>,
        /// Hosts to avoid.
        avoid: Vec<HostName>,
    },
    /// Ask an executor to end an attempt. It is asked again until the end is seen.
    Cancel {
        /// The attempt.
        attempt: AttemptId,
        /// Its executor.
        executor: ExecutorName,
        /// The time between TERM and KILL.
        grace: Duration,
    },
    /// Keep the log of a settled attempt and remove it from its executor.
    Remove {
        /// The attempt.
        attempt: AttemptId,
        /// Its executor.
        executor: ExecutorName,
    },
    /// An executor has an attempt that this engine does not run. If the ledger knows it as settled, or knows its build as
    /// over, end and remove it; if the ledger does not know it, it is somebody else's.
    Reap {
        /// The attempt.
        attempt: AttemptId,
        /// Its executor.
        executor: ExecutorName,
        /// Whether it is over already.
        ended: bool,
    },
    /// Ask the ledger to make a deploy visible; answer with [`Input::Activated`].
    Activate {
        /// The attempt that made it.
        attempt: AttemptId,
    },
    /// An executor knows a later attempt than the ledger of this engine: stop leading and restore.
    StepDown,
}
