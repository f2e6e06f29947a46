//! The life of an attempt: answers, observations, limits.

use std::collections::BTreeSet;
use std::time::Duration;

use super::entry::{Contact, Live, Stage, Stop, StopReason};
use super::machine::{Engine, Now};
use super::step::{Action, Effects, StartAnswer};
use crate::model::{
    AttemptId, Cause, Change, ExecutorName, Failure, HostName, OnUnknown, Outcome, Rank, Report, RunPhase, Timestamp,
};
use crate::port::{Effect, Listing, Notice, Observed, Phase, Started};

/// The shortest pause between two askings, whatever is configured: time is counted in milliseconds, and a pause of none
/// would be due again at once.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

impl Engine {
    pub(super) fn start_answered(&mut self, attempt: &AttemptId, answer: StartAnswer, now: Now<'_>, out: &mut Effects) {
        let Some(rank) = self.live_rank(attempt) else {
            self.stats.stale_inputs += 1;
            return;
        };
        match answer {
            StartAnswer::Started(Started::Created { host }) => self.accepted(rank, host, now, out),
            StartAnswer::Started(Started::Adopted { observed }) if observed.attempt == *attempt => {
                self.accepted(rank, observed.host.clone(), now, out);
                self.seen(rank, observed.phase, now, out);
            }
            StartAnswer::Started(Started::Adopted { .. }) | StartAnswer::Stale => out.act.push(Action::StepDown),
            // An earlier call of unknown effect started it: it was seen since.
            StartAnswer::Refused(_) if self.is_told(rank) => self.stats.stale_inputs += 1,
            StartAnswer::Refused(failure) => self.settle(rank, Report::of(Outcome::Failed(failure)), now, out),
            StartAnswer::Full | StartAnswer::Unavailable => {
                self.close_lane(rank, now);
                self.not_started(rank, Effect::None, now, out);
            }
            StartAnswer::NameTaken { by } => {
                if let Some((executor, grace)) = self.lane_and_grace(rank) {
                    out.act.push(Action::Cancel { attempt: by, executor, grace });
                }
                self.not_started(rank, Effect::None, now, out);
            }
            StartAnswer::Unknown => self.not_started(rank, Effect::Unknown, now, out),
        }
    }

    /// The executor has it.
    fn accepted(&mut self, rank: Rank, host: Option<HostName>, now: Now<'_>, out: &mut Effects) {
        let steps = self.steps;
        let Some((attempt, live)) = self.live_mut(rank) else { return };
        live.seen_at_step = steps;
        live.seen_at = Some(now.at);
        live.host.clone_from(&host);
        if live.is_told() {
            return;
        }
        live.unknown_since = None;
        self.set_contact(rank, Contact::Pending { since: now.at });
        out.persist.push(Change::Accepted { attempt: attempt.clone(), host: host.clone(), at: now.at });
        out.notify.push(Notice::Accepted { attempt, host });
        self.repeat_stop(rank, now, out);
        self.arm(rank);
    }

    /// The call had no effect, or none that is known.
    fn not_started(&mut self, rank: Rank, effect: Effect, now: Now<'_>, out: &mut Effects) {
        let (again, steps) = (self.config.ask_again, self.steps);
        let Some((_, live)) = self.live_mut(rank) else { return };
        if !matches!(live.contact, Contact::Asking) {
            return;
        }
        if effect == Effect::Unknown {
            live.maybe_since.get_or_insert(now.at);
        }
        match (live.stop, live.maybe_since) {
            (None, _) => self.set_contact(rank, Contact::AskAgain { at: now.at + again }),
            (Some(_), None) => self.gone(rank, Cause::Lost, now, out),
            // It may run although it is not wanted: end it, and let a list tell whether it was ever there.
            (Some(_), Some(_)) => {
                live.seen_at_step = steps;
                self.set_contact(rank, Contact::Pending { since: now.at });
                self.repeat_stop(rank, now, out);
            }
        }
    }

    pub(super) fn observed(&mut self, executor: &ExecutorName, observed: Observed, now: Now<'_>, out: &mut Effects) {
        let live = self.live_rank(&observed.attempt).filter(|rank| self.lane_of(*rank) == Some(executor));
        let Some(rank) = live else {
            self.stats.stale_inputs += 1;
            let ended = matches!(observed.phase, Phase::Ended { .. });
            out.act.push(Action::Reap { attempt: observed.attempt, executor: executor.clone(), ended });
            return;
        };
        let steps = self.steps;
        if let Some((_, live)) = self.live_mut(rank) {
            live.seen_at_step = steps;
            if observed.host.is_some() {
                live.host = observed.host;
            }
        }
        self.seen(rank, observed.phase, now, out);
    }

    fn seen(&mut self, rank: Rank, phase: Phase, now: Now<'_>, out: &mut Effects) {
        let Some((attempt, live)) = self.live_mut(rank) else { return };
        match phase {
            Phase::Unknown => {
                if live.unknown_since.is_none() {
                    live.unknown_since = Some(now.at);
                    out.notify.push(Notice::Unknown { attempt });
                }
                self.arm(rank);
            }
            Phase::Pending { .. } => {
                live.unknown_since = None;
                let host = live.host.clone();
                self.accepted(rank, host, now, out);
                self.arm(rank);
            }
            Phase::Running { since } => self.runs(rank, since, now, out),
            Phase::Ended { report } => self.settle(rank, report, now, out),
        }
    }

    fn runs(&mut self, rank: Rank, since: Timestamp, now: Now<'_>, out: &mut Effects) {
        let steps = self.steps;
        let Some((attempt, live)) = self.live_mut(rank) else { return };
        live.unknown_since = None;
        live.seen_at = Some(now.at);
        live.seen_at_step = steps;
        let was_told = live.is_told();
        if let Contact::Running { until, .. } = &mut live.contact {
            *until = now.at;
        } else {
            // A host's clock may be ahead; the run limit must not grow by that.
            let since = since.min(now.at).max(live.planned_at);
            self.set_contact(rank, Contact::Running { since, until: now.at });
            out.persist.push(Change::Running { attempt: attempt.clone(), at: since });
            out.notify.push(Notice::Running { attempt });
        }
        if !was_told {
            self.repeat_stop(rank, now, out);
        }
        self.arm(rank);
    }

    pub(super) fn beat(&mut self, attempt: &AttemptId, phase: RunPhase, now: Now<'_>, out: &mut Effects) {
        let Some(rank) = self.live_rank(attempt) else {
            self.stats.stale_inputs += 1;
            return;
        };
        self.runs(rank, now.at, now, out);
        let Some((attempt, live)) = self.live_mut(rank) else { return };
        if live.run_phase.replace(phase) != Some(phase) {
            out.notify.push(Notice::Progress { attempt, phase });
        }
    }

    /// Compares what an executor lists with what the engine has there.
    pub(super) fn listed(
        &mut self,
        executor: &ExecutorName,
        asked_at_step: u64,
        listing: Listing,
        now: Now<'_>,
        out: &mut Effects,
    ) {
        let listed: BTreeSet<AttemptId> = listing.attempts.iter().map(|observed| observed.attempt.clone()).collect();
        for observed in listing.attempts {
            // An attempt that was accepted after the list was asked for is newer than what the list says of it.
            let newer = self.live_rank(&observed.attempt).and_then(|rank| self.entries.get(&rank)?.live());
            if !newer.is_some_and(|live| live.seen_at_step > asked_at_step && observed.phase == Phase::Unknown) {
                self.observed(executor, observed, now, out);
            }
        }
        if !listing.complete {
            return;
        }
        let live = self.lanes.get(executor).map(|lane| lane.live.clone()).unwrap_or_default();
        for rank in live {
            let Some((attempt, live)) = self.live_mut(rank) else { continue };
            if live.is_told() && live.seen_at_step <= asked_at_step && !listed.contains(&attempt) {
                self.gone(rank, Cause::Lost, now, out);
            }
        }
    }

    /// The attempt is certainly over and left nothing behind: what it was stopped for, or else this cause.
    fn gone(&mut self, rank: Rank, cause: Cause, now: Now<'_>, out: &mut Effects) {
        let evidence = "no trace of the attempt is left";
        self.settle(rank, Report::of(Outcome::Failed(Failure::new(cause, evidence))), now, out);
    }

    pub(super) fn stop_for_cancel(&mut self, rank: Rank, now: Now<'_>, out: &mut Effects) {
        self.stop(rank, StopReason::Cancel, now, out);
    }

    /// Wants the attempt to end.
    fn stop(&mut self, rank: Rank, why: StopReason, now: Now<'_>, out: &mut Effects) {
        let Some((_, live)) = self.live_mut(rank) else { return };
        // A cancel that was asked overrules a limit: the customer no longer waits.
        let first = live.stop.is_none();
        if first || why == StopReason::Cancel {
            let since = live.stop.map_or(now.at, |stop| stop.since);
            live.stop = Some(Stop { why, since, again_at: now.at });
        }
        match live.contact {
            Contact::Asking => {}
            Contact::AskAgain { .. } => {
                self.set_contact(rank, Contact::Asking);
                self.not_started(rank, Effect::None, now, out);
            }
            Contact::Pending { .. } | Contact::Running { .. } if first => self.repeat_stop(rank, now, out),
            Contact::Pending { .. } | Contact::Running { .. } => {}
        }
        self.arm(rank);
    }

    /// Asks the executor to end an attempt that is not wanted, now and again later.
    fn repeat_stop(&mut self, rank: Rank, now: Now<'_>, out: &mut Effects) {
        let pause = self.config.grace + self.config.ask_again;
        let again_at = now.at + pause.max(SHORTEST_PAUSE);
        let Some((executor, grace)) = self.lane_and_grace(rank) else { return };
        let Some((attempt, live)) = self.live_mut(rank) else { return };
        if let Some(stop) = &mut live.stop {
            stop.again_at = again_at;
            out.act.push(Action::Cancel { attempt, executor, grace });
        }
    }

    /// Something is due for a live attempt.
    pub(super) fn live_due(&mut self, rank: Rank, now: Now<'_>, out: &mut Effects) {
        let Some(entry) = self.entries.get(&rank) else { return };
        let Some(live) = entry.live() else { return };
        let limit = live.limit(entry, &self.config).filter(|(at, _)| *at <= now.at);
        if live.fenced_at(&self.config).is_some_and(|at| at <= now.at) {
            let cause = match entry.build().spec.on_unknown {
                OnUnknown::Rerun => Cause::HostLost,
                OnUnknown::Park => Cause::Unknown,
            };
            self.gone(rank, cause, now, out);
            return;
        }
        match (live.contact, live.stop, limit) {
            (_, Some(stop), _) if live.is_told() && stop.again_at <= now.at => self.repeat_stop(rank, now, out),
            (_, None, Some((_, why))) => self.stop(rank, why, now, out),
            (Contact::AskAgain { at }, None, None) if at <= now.at => self.ask(rank, out),
            _ => {}
        }
        self.arm(rank);
    }

    /// What is known between engine and executor changed: the lane's count of unanswered starts and the timer follow.
    pub(super) fn set_contact(&mut self, rank: Rank, contact: Contact) {
        let Some(entry) = self.entries.get_mut(&rank) else { return };
        let Stage::Live(live) = &mut entry.stage else { return };
        live.contact = contact;
        if let Some(lane) = self.lanes.get_mut(&entry.queued.lane) {
            if live.is_told() {
                lane.asking.remove(&rank)
            } else {
                lane.asking.insert(rank)
            };
        }
        self.arm(rank);
    }

    fn is_told(&self, rank: Rank) -> bool {
        self.entries.get(&rank).and_then(|entry| entry.live()).is_some_and(Live::is_told)
    }

    fn close_lane(&mut self, rank: Rank, now: Now<'_>) {
        let until = now.at + self.config.ask_again;
        if let Some(lane) = self.lane_of(rank).cloned().and_then(|name| self.lanes.get_mut(&name)) {
            lane.closed_until = Some(until);
        }
    }

    fn lane_of(&self, rank: Rank) -> Option<&ExecutorName> {
        self.entries.get(&rank).map(|entry| &entry.queued.lane)
    }

    fn lane_and_grace(&self, rank: Rank) -> Option<(ExecutorName, Duration)> {
        self.lane_of(rank).map(|lane| (lane.clone(), self.config.grace))
    }

    fn live_mut(&mut self, rank: Rank) -> Option<(AttemptId, &mut Live)> {
        let entry = self.entries.get_mut(&rank)?;
        let attempt = entry.attempt()?;
        match &mut entry.stage {
            Stage::Live(live) => Some((attempt, live)),
            Stage::Waiting { .. } | Stage::Queued { .. } | Stage::Activating(_) => None,
        }
    }
}
