//! An attempt as it really is: what runs on an executor.

use netbuild_core::model::{AttemptId, HostName, Outcome, PhaseTime, Report, RunPhase, Timestamp};
use netbuild_core::port::{Observed, Phase};

use crate::desk::host;

/// What runs, or ran, under a build's name.
pub(crate) struct Process {
    pub(crate) attempt: AttemptId,
    /// Tells two processes of one attempt apart, of which the first vanished.
    pub(crate) born: u64,
    pub(crate) host: u16,
    pub(crate) phase: Phase,
    /// The gateway let the command begin.
    pub(crate) at_work: bool,
    /// Until when its runner works without another answer.
    pub(crate) leased_until: Timestamp,
    /// How long the command takes, and how it ends.
    pub(crate) takes: u64,
    pub(crate) outcome: Outcome,
}

/// What a runner will do, or what will be done to it.
#[derive(Clone)]
pub(crate) enum Step {
    Begin,
    Beat,
    Finish(Outcome),
    Killed { traceless: bool },
}

impl Process {
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ended { .. })
    }

    pub(crate) fn running_since(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Running { since } => Some(since),
            Phase::Pending { .. } | Phase::Ended { .. } | Phase::Unknown => None,
        }
    }

    pub(crate) fn host_name(&self) -> HostName {
        host(&format!("h{}", self.host))
    }

    pub(crate) fn observed(&self, hidden: bool) -> Observed {
        let phase = if hidden { Phase::Unknown } else { self.phase.clone() };
        Observed { attempt: self.attempt.clone(), host: Some(self.host_name()), phase }
    }

    /// Ends and leaves a record of how, and how long it ran.
    pub(crate) fn end(&mut self, outcome: Outcome, now: Timestamp) -> Report {
        let ran =
            |since| PhaseTime { phase: RunPhase::Run, began_at: since, millis: now.as_millis() - since.as_millis() };
        let phases = self.running_since().map(ran).into_iter().collect();
        let report = Report { phases, ..Report::of(outcome) };
        self.phase = Phase::Ended { report: report.clone() };
        self.at_work = false;
        report
    }
}
