//! The life of an attempt: answers, observations, limits.

use std::collections::BTreeSet;
use std::time::Duration;

use super::builds::Builds;
use super::entry::{Contact, Entry, Live, Stop, StopReason};
use super::step::{Action, StartAnswer};
use super::turn::Turn;
use crate::model::{
    AttemptId, Cause, Change, ExecutorName, Failure, HostName, OnUnknown, Outcome, Report, RunPhase, Timestamp,
};
use crate::port::{Effect, Listing, Notice, Observed, Phase, Started};

/// The shortest pause between two askings, whatever is configured: time is counted in milliseconds, and a pause of none
/// would be due again at once.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

impl Builds {
    /// An executor tells of an attempt. One that is not live there is looked at again outside: it may be a leftover.
    pub(super) fn observed(&mut self, executor: &ExecutorName, observed: Observed, turn: &mut Turn<'_>) {
        let Observed { attempt, host, phase } = observed;
        let ended = matches!(phase, Phase::Ended { .. });
        let fits = self.input(&attempt.build, turn, |entry, turn| {
            let steps = turn.shared.steps;
            let here = entry.queued.lane == *executor;
            let Some(live) = entry.live_mut().filter(|live| here && live.number == attempt.number) else {
                return false;
            };
            live.seen_at_step = steps;
            if host.is_some() {
                live.host = host;
            }
            turn.seen(entry, phase);
            true
        });
        if !fits {
            turn.out.act.push(Action::Reap { attempt, executor: executor.clone(), ended });
        }
    }

    /// Compares what an executor lists with what the engine has there.
    pub(super) fn listed(
        &mut self,
        executor: &ExecutorName,
        asked_at_step: u64,
        listing: Listing,
        turn: &mut Turn<'_>,
    ) {
        let listed: BTreeSet<AttemptId> = listing.attempts.iter().map(|observed| observed.attempt.clone()).collect();
        for observed in listing.attempts {
            // An attempt that was accepted after the list was asked for is newer than what the list says of it.
            let newer = self.live(&observed.attempt).is_some_and(|live| live.seen_at_step > asked_at_step);
            if !(newer && observed.phase == Phase::Unknown) {
                self.observed(executor, observed, turn);
            }
        }
        if !listing.complete {
            return;
        }
        let live = turn.shared.lanes.get(executor).map(|lane| lane.live.clone()).unwrap_or_default();
        for rank in live {
            self.change(rank, turn, |entry, turn| {
                let absent = entry.attempt().is_some_and(|attempt| !listed.contains(&attempt));
                if absent && entry.live().is_some_and(|live| live.is_told() && live.seen_at_step <= asked_at_step) {
                    turn.gone(entry, Cause::Lost);
                }
            });
        }
    }
}

impl Turn<'_> {
    pub(super) fn start_answered(&mut self, entry: &mut Entry, attempt: &AttemptId, answer: StartAnswer) {
        match answer {
            StartAnswer::Started(Started::Created { host }) => self.accepted(entry, host),
            StartAnswer::Started(Started::Adopted { observed }) if observed.attempt == *attempt => {
                self.accepted(entry, observed.host.clone());
                self.seen(entry, observed.phase);
            }
            StartAnswer::Started(Started::Adopted { .. }) | StartAnswer::Stale => self.out.act.push(Action::StepDown),
            // An earlier call of unknown effect started it: it was seen since.
            StartAnswer::Refused(_) if entry.live().is_some_and(Live::is_told) => self.shared.stats.stale_inputs += 1,
            StartAnswer::Refused(failure) => self.settle(entry, Report::of(Outcome::Failed(failure))),
            StartAnswer::Full | StartAnswer::Unavailable => {
                let until = self.at + self.shared.config.ask_again;
                if let Some(lane) = self.shared.lanes.get_mut(&entry.queued.lane) {
                    lane.closed_until = Some(until);
                }
                self.not_started(entry, Effect::None);
            }
            StartAnswer::NameTaken { by } => {
                let (executor, grace) = (entry.queued.lane.clone(), self.shared.config.grace);
                self.out.act.push(Action::Cancel { attempt: by, executor, grace });
                self.not_started(entry, Effect::None);
            }
            StartAnswer::Unknown => self.not_started(entry, Effect::Unknown),
        }
    }

    /// The executor has it.
    fn accepted(&mut self, entry: &mut Entry, host: Option<HostName>) {
        let (Some(attempt), Some(live)) = (entry.attempt(), entry.live_mut()) else { return };
        live.seen_at_step = self.shared.steps;
        live.seen_at = Some(self.at);
        live.host.clone_from(&host);
        if live.is_told() {
            return;
        }
        live.unknown_since = None;
        live.contact = Contact::Pending { since: self.at };
        self.out.persist.push(Change::Accepted { attempt: attempt.clone(), host: host.clone(), at: self.at });
        self.out.notify.push(Notice::Accepted { attempt, host });
        self.repeat_stop(entry);
    }

    /// The call had no effect, or none that is known.
    fn not_started(&mut self, entry: &mut Entry, effect: Effect) {
        let Some(live) = entry.live_mut().filter(|live| matches!(live.contact, Contact::Asking)) else { return };
        if effect == Effect::Unknown {
            live.maybe_since.get_or_insert(self.at);
        }
        match (live.stop, live.maybe_since) {
            (None, _) => live.contact = Contact::AskAgain { at: self.at + self.shared.config.ask_again },
            (Some(_), None) => self.gone(entry, Cause::Lost),
            // It may run although it is not wanted: end it, and let a list tell whether it was ever there.
            (Some(_), Some(_)) => {
                live.seen_at_step = self.shared.steps;
                live.contact = Contact::Pending { since: self.at };
                self.repeat_stop(entry);
            }
        }
    }

    fn seen(&mut self, entry: &mut Entry, phase: Phase) {
        let (Some(attempt), Some(live)) = (entry.attempt(), entry.live_mut()) else { return };
        match phase {
            Phase::Unknown => {
                if live.unknown_since.is_none() {
                    live.unknown_since = Some(self.at);
                    self.out.notify.push(Notice::Unknown { attempt });
                }
            }
            Phase::Pending { .. } => {
                live.unknown_since = None;
                let host = live.host.clone();
                self.accepted(entry, host);
            }
            Phase::Running { since } => self.runs(entry, since),
            Phase::Ended { report } => self.settle(entry, report),
        }
    }

    fn runs(&mut self, entry: &mut Entry, since: Timestamp) {
        let (Some(attempt), Some(live)) = (entry.attempt(), entry.live_mut()) else { return };
        live.unknown_since = None;
        live.seen_at = Some(self.at);
        live.seen_at_step = self.shared.steps;
        let was_told = live.is_told();
        if let Contact::Running { until, .. } = &mut live.contact {
            *until = self.at;
        } else {
            // A host's clock may be ahead; the run limit must not grow by that.
            let since = since.min(self.at).max(live.planned_at);
            live.contact = Contact::Running { since, until: self.at };
            self.out.persist.push(Change::Running { attempt: attempt.clone(), at: since });
            self.out.notify.push(Notice::Running { attempt });
        }
        if !was_told {
            self.repeat_stop(entry);
        }
    }

    pub(super) fn beat(&mut self, entry: &mut Entry, phase: RunPhase) {
        self.runs(entry, self.at);
        let Some(live) = entry.live_mut() else { return };
        if live.run_phase.replace(phase) != Some(phase) {
            let attempt = entry.attempt();
            self.out.notify.extend(attempt.map(|attempt| Notice::Progress { attempt, phase }));
        }
    }

    /// The attempt is certainly over and left nothing behind: what it was stopped for, or else this cause.
    fn gone(&mut self, entry: &mut Entry, cause: Cause) {
        let evidence = "no trace of the attempt is left";
        self.settle(entry, Report::of(Outcome::Failed(Failure::new(cause, evidence))));
    }

    pub(super) fn stop_for_cancel(&mut self, entry: &mut Entry) {
        self.stop(entry, StopReason::Cancel);
    }

    /// Wants the attempt to end.
    fn stop(&mut self, entry: &mut Entry, why: StopReason) {
        let Some(live) = entry.live_mut() else { return };
        // A cancel that was asked overrules a limit: the customer no longer waits.
        let first = live.stop.is_none();
        if first || why == StopReason::Cancel {
            let since = live.stop.map_or(self.at, |stop| stop.since);
            live.stop = Some(Stop { why, since, again_at: self.at });
        }
        match live.contact {
            Contact::Asking => {}
            Contact::AskAgain { .. } => {
                live.contact = Contact::Asking;
                self.not_started(entry, Effect::None);
            }
            Contact::Pending { .. } | Contact::Running { .. } if first => self.repeat_stop(entry),
            Contact::Pending { .. } | Contact::Running { .. } => {}
        }
    }

    /// Asks the executor to end an attempt that is not wanted, now and again later.
    fn repeat_stop(&mut self, entry: &mut Entry) {
        let grace = self.shared.config.grace;
        let again_at = self.at + (grace + self.shared.config.ask_again).max(SHORTEST_PAUSE);
        let Some(stop) = entry.live_mut().and_then(|live| live.stop.as_mut()) else { return };
        stop.again_at = again_at;
        let (attempt, executor) = (entry.attempt(), entry.queued.lane.clone());
        self.out.act.extend(attempt.map(|attempt| Action::Cancel { attempt, executor, grace }));
    }

    /// Something is due for a live attempt.
    pub(super) fn live_due(&mut self, entry: &mut Entry) {
        let config = &self.shared.config;
        let Some(live) = entry.live() else { return };
        let limit = live.limit(entry, config).filter(|(at, _)| *at <= self.at);
        if live.fenced_at(config).is_some_and(|at| at <= self.at) {
            let cause = match entry.build().spec.on_unknown {
                OnUnknown::Rerun => Cause::HostLost,
                OnUnknown::Park => Cause::Unknown,
            };
            self.gone(entry, cause);
            return;
        }
        match (live.contact, live.stop, limit) {
            (_, Some(stop), _) if live.is_told() && stop.again_at <= self.at => self.repeat_stop(entry),
            (_, None, Some((_, why))) => self.stop(entry, why),
            (Contact::AskAgain { at }, None, None) if at <= self.at => self.ask(entry),
            _ => {}
        }
    }
}
