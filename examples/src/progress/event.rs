//! What a view shows: a step of one build.

use netbuild_core::model::{AttemptNumber, BuildKey, Ending, ExecutorName, HostName, Report, RunPhase};
use netbuild_core::port::Notice;

/// A step of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayEvent {
    /// The build.
    pub build: BuildKey,
    /// What happened.
    pub step: Step,
}

/// What happened to a build, as far as people want to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is in the backlog.
    Admitted,
    /// A new attempt goes to an executor.
    Planned {
        /// The attempt's number.
        number: AttemptNumber,
        /// The executor.
        executor: ExecutorName,
    },
    /// The executor has the attempt.
    Accepted {
        /// On which host.
        host: Option<HostName>,
    },
    /// The attempt's runner runs.
    Running {
        /// The attempt's number.
        number: AttemptNumber,
    },
    /// The runner entered a phase.
    Phase(RunPhase),
    /// A line of the attempt's log, safe for a terminal; with colours where the view has them.
    Log(String),
    /// The attempt is over.
    Settled {
        /// The attempt's number.
        number: AttemptNumber,
        /// How.
        report: Report,
    },
    /// The build goes back to the backlog.
    Requeued,
    /// The end of the attempt cannot be known for now.
    Unknown,
    /// The build is over.
    Ended(Ending),
}

impl DisplayEvent {
    /// What a notice shows; `None` for one that is about no build.
    pub fn from_notice(notice: &Notice) -> Option<Self> {
        let (build, step) = match notice {
            Notice::Admitted { build } => (build, Step::Admitted),
            Notice::Planned { attempt, route } => {
                (&attempt.build, Step::Planned { number: attempt.number, executor: route.executor.clone() })
            }
            Notice::Accepted { attempt, host } => (&attempt.build, Step::Accepted { host: host.clone() }),
            Notice::Running { attempt } => (&attempt.build, Step::Running { number: attempt.number }),
            Notice::Progress { attempt, phase } => (&attempt.build, Step::Phase(*phase)),
            Notice::Settled { attempt, report } => {
                (&attempt.build, Step::Settled { number: attempt.number, report: report.clone() })
            }
            Notice::Requeued { build, .. } => (build, Step::Requeued),
            Notice::Unknown { attempt } => (&attempt.build, Step::Unknown),
            Notice::Ended { build, ending } => (build, Step::Ended(ending.clone())),
            _ => return None,
        };
        Some(DisplayEvent { build: build.clone(), step })
    }
}
