//! The port that is told what happens.

use std::fmt::Debug;

use crate::model::{AttemptId, BuildKey, Ending, HostName, Report, Route, RunPhase, Timestamp};

/// Something that happened, told after it was durable where it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A build is in the backlog.
    Admitted {
        /// The build.
        build: BuildKey,
    },
    /// A new attempt goes to an executor.
    Planned {
        /// The attempt.
        attempt: AttemptId,
        /// Where and why.
        route: Route,
    },
    /// The executor has it.
    Accepted {
        /// The attempt.
        attempt: AttemptId,
        /// On which host.
        host: Option<HostName>,
    },
    /// Its runner runs.
    Running {
        /// The attempt.
        attempt: AttemptId,
    },
    /// The runner said what it is doing.
    Progress {
        /// The attempt.
        attempt: AttemptId,
        /// The phase it is in.
        phase: RunPhase,
    },
    /// The attempt is over.
    Settled {
        /// The attempt.
        attempt: AttemptId,
        /// How.
        report: Report,
    },
    /// The build goes back to the backlog.
    Requeued {
        /// The build.
        build: BuildKey,
        /// Not to start before this time.
        not_before: Timestamp,
    },
    /// The end of the attempt cannot be known for now; it is looked for.
    Unknown {
        /// The attempt.
        attempt: AttemptId,
    },
    /// The build is over.
    Ended {
        /// The build.
        build: BuildKey,
        /// How.
        ending: Ending,
    },
    /// This scheduler leads now.
    Leading,
    /// It does not lead any more.
    SteppedDown,
}

/// Is told what happens: for logs, metrics and people. It must not block; a slow receiver buffers by itself.
pub trait Observer: Debug + Send + Sync + 'static {
    /// Takes a notice.
    fn notice(&self, notice: &Notice, at: Timestamp);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn notice(&self, _notice: &Notice, _at: Timestamp) {}
}
