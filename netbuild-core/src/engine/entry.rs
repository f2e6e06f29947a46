//! A build in the engine's memory: its stages, and when each is due.

use std::sync::Arc;
use std::time::Duration;

use super::config::EngineConfig;
use super::retry;
use crate::model::{
    AttemptId, AttemptNumber, Build, BuildKey, CancelReason, Cause, DeployInfo, ExecutorName, Failure, HostName,
    OnUnknown, Outcome, Rank, Report, RetryAt, RunPhase, Timestamp,
};
use crate::policy::Queued;
use crate::port::Router;

/// The time of a timer that is not set: an `Option` would take one more word of each entry.
pub(super) const NEVER: Timestamp = Timestamp::from_millis(u64::MAX);

/// A build that is not over. Most of them wait, perhaps a million: what only few of them need is in boxes.
#[derive(Debug)]
pub(super) struct Entry {
    /// The build as the policy sees it; its lane is where it waits or runs.
    pub(super) queued: Queued,
    /// The number of its last attempt; 0 before the first.
    pub(super) attempts: u32,
    /// `None` until an attempt failed for a reason of its place.
    pub(super) avoid: Option<Box<Avoid>>,
    pub(super) cancel: Option<CancelReason>,
    pub(super) stage: Stage,
    /// When its timer is set to, or [`NEVER`].
    pub(super) timer: Timestamp,
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
    /// A deploy waits to become visible.
    Activating(Box<Activating>),
    /// To be forgotten.
    Over,
}

/// A deploy that waits to become visible.
#[derive(Debug)]
pub(super) struct Activating {
    pub(super) number: AttemptNumber,
    pub(super) deploy: DeployInfo,
    /// `None` while the ledger is asked.
    pub(super) again_at: Option<Timestamp>,
}

/// A live attempt.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) number: AttemptNumber,
    /// Since when the build waited in the backlog before it.
    pub(super) queued_since: Timestamp,
    pub(super) planned_at: Timestamp,
    pub(super) contact: Contact,
    /// Since when the executor may have it: a call whose effect is not known stays so, whatever later calls answer.
    pub(super) maybe_since: Option<Timestamp>,
    pub(super) host: Option<HostName>,
    /// The engine's step at which the executor's having it was learnt: only lists asked for later prove an absence.
    pub(super) seen_at_step: u64,
    /// The last sign of life that this engine had: a heartbeat, or being seen by the executor.
    pub(super) seen_at: Option<Timestamp>,
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
    /// It is to be asked again.
    AskAgain { at: Timestamp },
    /// The executor has it.
    Pending { since: Timestamp },
    /// Its runner runs, and was seen to do so until then.
    Running { since: Timestamp, until: Timestamp },
}

/// The engine wants the attempt to end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop {
    pub(super) why: StopReason,
    pub(super) since: Timestamp,
    /// When to ask the executor again.
    pub(super) again_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopReason {
    /// A cancel was asked for the build.
    Cancel,
    QueueLimit,
    PendingLimit,
    RunLimit,
}

impl Avoid {
    /// Learns from an attempt that failed on an executor, and on a host where that has hosts.
    pub(super) fn after(
        avoid: &mut Option<Box<Avoid>>,
        cause: &Cause,
        on_unknown: OnUnknown,
        host: Option<HostName>,
        executor: &ExecutorName,
    ) {
        match retry::place(cause, on_unknown) {
            RetryAt::OtherHost => avoid.get_or_insert_default().hosts.extend(host),
            RetryAt::OtherExecutor => avoid.get_or_insert_default().executors.push(executor.clone()),
            RetryAt::Nowhere | RetryAt::SameExecutor => {}
        }
    }
}

impl Entry {
    /// A build without attempts.
    pub(super) fn new(build: Arc<Build>, rank: Rank, lane: ExecutorName, stage: Stage) -> Self {
        let queued = Queued { build, rank, lane };
        Entry { queued, attempts: 0, avoid: None, cancel: None, stage, timer: NEVER }
    }

    /// Whether the router knows an executor that is not to be avoided.
    pub(super) fn has_choice(&self, router: &dyn Router) -> bool {
        let avoid = self.avoid_executors();
        !avoid.contains(&router.route(self.build(), avoid).executor)
    }

    pub(super) fn build(&self) -> &Arc<Build> {
        &self.queued.build
    }

    pub(super) fn key(&self) -> BuildKey {
        self.build().key()
    }

    /// Executors where earlier attempts failed for a reason of the place.
    pub(super) fn avoid_executors(&self) -> &[ExecutorName] {
        self.avoid.as_ref().map_or(&[], |avoid| &avoid.executors)
    }

    /// Hosts where earlier attempts failed for a reason of the place.
    pub(super) fn avoid_hosts(&self) -> &[HostName] {
        self.avoid.as_ref().map_or(&[], |avoid| &avoid.hosts)
    }

    /// Whether this is its key, whole.
    pub(super) fn is_of(&self, key: &BuildKey) -> bool {
        let build = self.build();
        build.id == key.build && build.account == key.account && build.project == key.project
    }

    pub(super) fn live(&self) -> Option<&Live> {
        match &self.stage {
            Stage::Live(live) => Some(live),
            Stage::Waiting { .. } | Stage::Queued { .. } | Stage::Activating(_) | Stage::Over => None,
        }
    }

    pub(super) fn live_mut(&mut self) -> Option<&mut Live> {
        match &mut self.stage {
            Stage::Live(live) => Some(live),
            Stage::Waiting { .. } | Stage::Queued { .. } | Stage::Activating(_) | Stage::Over => None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// The live attempt's id.
    pub(super) fn attempt(&self) -> Option<AttemptId> {
        self.live().map(|live| self.key().attempt(live.number))
    }

    /// When something is due for this build next. Every build has one timer; what is due is found by its stage.
    pub(super) fn due(&self, config: &EngineConfig) -> Option<Timestamp> {
        let limits = &self.build().spec.limits;
        match &self.stage {
            Stage::Waiting { since, not_before } => Some((*not_before).min(*since + limits.queue)),
            Stage::Queued { since } => Some(*since + limits.queue),
            Stage::Activating(activating) => activating.again_at,
            Stage::Over => None,
            Stage::Live(live) => {
                let again = match (live.contact, live.stop) {
                    (Contact::AskAgain { at }, _) => Some(at),
                    (_, stop) => stop.filter(|_| live.is_told()).map(|stop| stop.again_at),
                };
                let limit = live.limit(self, config).map(|(at, _)| at);
                [again, limit, live.fenced_at(config)].into_iter().flatten().min()
            }
        }
    }
}

impl Live {
    pub(super) fn new(number: AttemptNumber, queued_since: Timestamp, now: Timestamp) -> Self {
        Live {
            number,
            queued_since,
            planned_at: now,
            contact: Contact::Asking,
            maybe_since: None,
            host: None,
            seen_at_step: 0,
            seen_at: None,
            run_phase: None,
            unknown_since: None,
            stop: None,
        }
    }

    /// Whether the executor was told of it for certain, or may have been and is not asked again.
    pub(super) fn is_told(&self) -> bool {
        matches!(self.contact, Contact::Pending { .. } | Contact::Running { .. })
    }

    /// The limit that bounds the attempt where it stands now, and when it is reached. One that is to end is under no limit.
    pub(super) fn limit(&self, entry: &Entry, config: &EngineConfig) -> Option<(Timestamp, StopReason)> {
        let limits = &entry.build().spec.limits;
        if self.stop.is_some() {
            return None;
        }
        match (self.contact, self.maybe_since) {
            (Contact::Asking, _) => None,
            (Contact::Running { since, .. }, _) => Some((since + limits.run + config.run_margin, StopReason::RunLimit)),
            (Contact::Pending { since }, _) | (Contact::AskAgain { .. }, Some(since)) => {
                Some((since + limits.pending, StopReason::PendingLimit))
            }
            // Nothing was started yet: it waits for room as if it were in the backlog still.
            (Contact::AskAgain { .. }, None) => Some((self.queued_since + limits.queue, StopReason::QueueLimit)),
        }
    }

    /// When an attempt that cannot be seen has certainly ended by itself: its runner had no answer for lease and grace.
    /// One that is to end counts as not seen from its last sign of life, because a runner that asks is told to stop.
    pub(super) fn fenced_at(&self, config: &EngineConfig) -> Option<Timestamp> {
        let since = match (self.contact, self.unknown_since, self.stop) {
            // The call that is under way may take its effect only now.
            (Contact::Asking, ..) => None,
            (_, Some(since), _) => Some(since),
            (_, None, stop) => stop.map(|stop| self.seen_at.map_or(stop.since, |seen| seen.max(stop.since))),
        };
        since.map(|since| since + config.fence_after())
    }

    /// Whether something shows that it ran as long as the build may: its runner's record, or else that it was seen then. That
    /// the limit has passed meanwhile shows nothing: what ended unseen is not the customer's fault.
    fn overran(&self, report: &Report, entry: &Entry) -> bool {
        let recorded = report.phases.iter().map(|phase| phase.millis).reduce(u64::saturating_add);
        let ran = match (recorded, self.contact) {
            (Some(millis), _) => Duration::from_millis(millis),
            (None, Contact::Running { since, until }) => until.since(since),
            (None, _) => Duration::ZERO,
        };
        ran >= entry.build().spec.limits.run
    }
}

/// What an attempt's end means, given what the engine wanted of it and what the build asked for. The evidence is kept;
/// a success stays a success, whatever was wanted.
pub(super) fn conclude(mut report: Report, entry: &Entry) -> Report {
    let Some(live) = entry.live() else { return report };
    let publishes = entry.build().spec.publish.is_some();
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
    let cancelled = report.outcome == Outcome::Cancelled;
    let outcome = match live.stop.map(|stop| stop.why) {
        // It ended by itself, just before it would have been stopped: what it says counts.
        _ if !ended_by_force => return report,
        Some(StopReason::Cancel) => Outcome::Cancelled,
        Some(StopReason::QueueLimit) => failed(Cause::QueueTimeout, &report),
        Some(StopReason::PendingLimit) => failed(Cause::PendingTimeout, &report),
        Some(StopReason::RunLimit) if live.overran(&report, entry) => failed(Cause::RunTimeout, &report),
        // An engine before this one asked for it.
        None if cancelled && live.overran(&report, entry) => failed(Cause::RunTimeout, &report),
        // Nobody here asked for it.
        Some(StopReason::RunLimit) | None if cancelled => failed(Cause::DeletedByOthers, &report),
        Some(StopReason::RunLimit) | None => return report,
    };
    report.outcome = outcome;
    report
}
