//! A build in the engine's memory: its stages, and when each is due.

use std::sync::Arc;

use super::config::EngineConfig;
use crate::model::{
    AttemptId, AttemptNumber, Build, BuildKey, CancelReason, Cause, DeployInfo, ExecutorName, Failure, HostName,
    Outcome, Report, RunPhase, Timestamp,
};
use crate::policy::Queued;
use crate::port::Effect;

/// A build that is not over.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) build: Arc<Build>,
    /// As the policy sees it; its lane is where the build waits or runs.
    pub(super) queued: Queued,
    /// The number of its last attempt; 0 before the first.
    pub(super) attempts: u32,
    pub(super) avoid: Avoid,
    pub(super) cancel: Option<CancelReason>,
    pub(super) stage: Stage,
}

/// Where earlier attempts failed for reasons of the place. Bounded by the number of attempts.
#[derive(Debug, Default)]
pub(super) struct Avoid {
    pub(super) hosts: Vec<HostName>,
    pub(super) executors: Vec<ExecutorName>,
}

/// Where a build stands in the engine. Each stage carries what is true only there.
#[derive(Debug)]
pub(super) enum Stage {
    /// Waits for its backoff to pass; the policy does not know it.
    Waiting { since: Timestamp, not_before: Timestamp },
    /// In the policy's backlog.
    Queued { since: Timestamp },
    /// An attempt is on its way or running.
    Live(Box<Live>),
    /// A deploy waits to become visible. `again_at` is `None` while the ledger is asked.
    Activating { number: AttemptNumber, deploy: DeployInfo, again_at: Option<Timestamp> },
}

/// A live attempt.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) number: AttemptNumber,
    pub(super) planned_at: Timestamp,
    pub(super) contact: Contact,
    pub(super) host: Option<HostName>,
    /// The engine's step at which the executor's having it was learnt: only lists asked for later prove an absence.
    pub(super) seen_at_step: u64,
    /// The last heartbeat.
    pub(super) beat_at: Option<Timestamp>,
    pub(super) run_phase: Option<RunPhase>,
    /// Since when nobody can say whether it runs.
    pub(super) unknown_since: Option<Timestamp>,
    pub(super) stop: Option<Stop>,
}

/// What is known between the engine and the executor.
#[derive(Clone, Copy, Debug)]
pub(super) enum Contact {
    /// The executor is asked to start it.
    Asking,
    /// It is to be asked again; whether it has the attempt is said by the effect of the last call.
    AskAgain { at: Timestamp, effect: Effect },
    /// The executor has it.
    Pending,
    /// Its runner runs.
    Running { since: Timestamp },
}

/// The engine wants the attempt to end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop {
    pub(super) why: StopReason,
    /// When to ask the executor again.
    pub(super) again_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopReason {
    /// A cancel was asked for the build.
    Cancel,
    PendingLimit,
    RunLimit,
}

impl Entry {
    pub(super) fn key(&self) -> BuildKey {
        self.build.key()
    }

    pub(super) fn live(&self) -> Option<&Live> {
        match &self.stage {
            Stage::Live(live) => Some(live),
            Stage::Waiting { .. } | Stage::Queued { .. } | Stage::Activating { .. } => None,
        }
    }

    /// The live attempt's id.
    pub(super) fn attempt(&self) -> Option<AttemptId> {
        self.live().map(|live| self.key().attempt(live.number))
    }

    /// When something is due for this build next. Every build has one timer; what is due is found by its stage.
    pub(super) fn due(&self, config: &EngineConfig) -> Option<Timestamp> {
        let limits = &self.build.spec.limits;
        match &self.stage {
            Stage::Waiting { since, not_before } => Some((*not_before).min(*since + limits.queue)),
            Stage::Queued { since } => Some(*since + limits.queue),
            Stage::Activating { again_at, .. } => *again_at,
            Stage::Live(live) => {
                let contact = match live.contact {
                    Contact::AskAgain { at, .. } => Some(at),
                    Contact::Asking => None,
                    Contact::Pending | Contact::Running { .. } => match live.stop {
                        Some(stop) => Some(stop.again_at),
                        None => live.limit(self, config).map(|(at, _)| at),
                    },
                };
                [contact, live.fenced_at(config)].into_iter().flatten().min()
            }
        }
    }
}

impl Live {
    pub(super) fn new(number: AttemptNumber, planned_at: Timestamp, contact: Contact) -> Self {
        Live {
            number,
            planned_at,
            contact,
            host: None,
            seen_at_step: 0,
            beat_at: None,
            run_phase: None,
            unknown_since: None,
            stop: None,
        }
    }

    /// The limit that bounds the attempt where it stands now, and when it is reached.
    pub(super) fn limit(&self, entry: &Entry, config: &EngineConfig) -> Option<(Timestamp, StopReason)> {
        let limits = &entry.build.spec.limits;
        match self.contact {
            Contact::Running { since } => Some((since + limits.run + config.run_margin, StopReason::RunLimit)),
            Contact::Pending | Contact::AskAgain { .. } => {
                Some((self.planned_at + limits.pending, StopReason::PendingLimit))
            }
            Contact::Asking => None,
        }
    }

    /// When an attempt that cannot be seen has certainly ended by itself: its runner had no answer for lease and grace.
    pub(super) fn fenced_at(&self, config: &EngineConfig) -> Option<Timestamp> {
        let since = self.unknown_since?;
        Some(self.beat_at.map_or(since, |beat| beat.max(since)) + config.fence_after())
    }
}

/// What an attempt's end means, given what the engine wanted of it and what the build asked for. The evidence is kept;
/// a success stays a success, whatever was wanted.
pub(super) fn conclude(mut report: Report, entry: &Entry, now: Timestamp) -> Report {
    let Some(live) = entry.live() else { return report };
    let publishes = entry.build.spec.publish.is_some();
    let failed = |cause: Cause, report: &Report| {
        let evidence = report.outcome.failure().map(|failure| failure.evidence.clone()).unwrap_or_default();
        Outcome::Failed(Failure::new(cause, evidence))
    };
    let ended_by_force = match &report.outcome {
        Outcome::Succeeded { deploy: None } if publishes => {
            let text = "the runner reported a success without a deploy";
            report.outcome = Outcome::Failed(Failure::new(Cause::RunnerBroken, text));
            return report;
        }
        Outcome::Succeeded { deploy } => {
            report.outcome = Outcome::Succeeded { deploy: deploy.clone().filter(|_| publishes) };
            return report;
        }
        Outcome::Cancelled => true,
        Outcome::Failed(failure) => matches!(failure.cause, Cause::Lost | Cause::DeletedByOthers),
    };
    let outcome = match (live.stop.map(|stop| stop.why), live.contact) {
        // It ended by itself, just before it would have been stopped: what it says counts.
        _ if !ended_by_force => return report,
        (Some(StopReason::Cancel), _) => Outcome::Cancelled,
        (Some(StopReason::PendingLimit), _) => failed(Cause::PendingTimeout, &report),
        (Some(StopReason::RunLimit), _) => failed(Cause::RunTimeout, &report),
        // Nobody here asked for it. An engine before this one may have, for the run limit; else it was a stranger.
        (None, _) if report.outcome != Outcome::Cancelled => return report,
        (None, Contact::Running { since }) if now.since(since) >= entry.build.spec.limits.run => {
            failed(Cause::RunTimeout, &report)
        }
        (None, _) => failed(Cause::DeletedByOthers, &report),
    };
    report.outcome = outcome;
    report
}
