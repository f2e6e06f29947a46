//! The engine after a restart: from the ledger's open builds.

use std::sync::Arc;

use super::entry::{Activating, Avoid, Contact, Live, Stage};
use super::machine::{Engine, Now};
use super::step::Effects;
use crate::model::{
    AttemptNumber, AttemptRecord, AttemptState, BuildRecord, BuildState, Ending, Outcome, Rank, Timestamp,
};
use crate::port::Router;

impl Engine {
    /// Takes in a build that the ledger knows as open, before anything else happens to it: after
    /// [`Input::Capacity`](super::Input::Capacity) of every executor and in the order of ranks.
    ///
    /// What was planned is asked for again under the same number; what was accepted waits for the executor's list; what
    /// was settled without its follow-up gets it; a deploy that waits is activated.
    pub fn restore(&mut self, record: BuildRecord, now: Timestamp, router: &dyn Router) -> Effects {
        let mut effects = Effects::default();
        let out = &mut effects;
        let now = Now { at: now, router };
        let rank = record.rank;
        let attempts = u32::try_from(record.attempts.len()).unwrap_or(u32::MAX);
        let cancel = record.cancel_asked.map(|(reason, _)| reason);
        let last = record.attempts.last().cloned();
        let stage = match (&record.state, &last) {
            (BuildState::Queued { since, not_before }, _) if *not_before > now.at => {
                Stage::Waiting { since: *since, not_before: *not_before }
            }
            (BuildState::Queued { since, .. }, _) => Stage::Queued { since: *since },
            (BuildState::Live { attempt }, Some(last)) => {
                Stage::Live(Box::new(live(*attempt, last, queued_since(&record))))
            }
            (BuildState::Activating { attempt, deploy }, _) => {
                let deploy = deploy.clone();
                Stage::Activating(Box::new(Activating { number: *attempt, deploy, again_at: None }))
            }
            (BuildState::Live { .. } | BuildState::Ended { .. }, _) => return effects,
        };
        let avoid = avoid(&record);
        let build = Arc::new(record.build);
        let lane = match &last {
            Some(last) => last.route.executor.clone(),
            None => router.route(&build, &[]).executor,
        };
        self.insert(build, rank, lane, stage);
        if let Some(entry) = self.entries.get_mut(&rank) {
            entry.attempts = attempts;
            entry.avoid = avoid;
            entry.cancel = cancel;
        }
        self.resume(rank, last.and_then(|last| last.state.outcome().cloned()), now, out);
        effects
    }

    fn resume(&mut self, rank: Rank, settled: Option<Outcome>, now: Now<'_>, out: &mut Effects) {
        let Some(entry) = self.entries.get(&rank) else { return };
        let (cancel, number) = (entry.cancel, AttemptNumber::new(entry.attempts));
        match &entry.stage {
            Stage::Queued { .. } | Stage::Waiting { .. } | Stage::Activating(_) if cancel.is_some() => {
                if let Some(reason) = cancel {
                    self.end(rank, Ending::Cancelled { reason }, now, out);
                }
            }
            Stage::Queued { .. } => self.enter_lane(rank, now, out),
            Stage::Waiting { .. } => self.arm(rank),
            Stage::Activating(_) => self.activate(rank, out),
            Stage::Live(_) => match settled {
                // Its host is among those to avoid already.
                Some(outcome) => self.follow(rank, number, outcome, None, now, out),
                None => self.resume_live(rank, cancel.is_some(), now, out),
            },
        }
    }

    fn resume_live(&mut self, rank: Rank, cancelled: bool, now: Now<'_>, out: &mut Effects) {
        let steps = self.steps;
        let Some(entry) = self.entries.get_mut(&rank) else { return };
        // The policy learns what runs, so that its counts are those of the ledger.
        self.policy.enqueued(&entry.queued);
        self.policy.started(&entry.queued);
        // An executor that is not there any more gets no lane by what it ran.
        if let Some(lane) = self.lanes.get_mut(&entry.queued.lane) {
            lane.live.insert(rank);
        }
        let Stage::Live(live) = &mut entry.stage else { return };
        live.seen_at_step = steps;
        let contact = live.contact;
        match contact {
            Contact::Asking if !cancelled => self.ask(rank, out),
            // It may have been started: a list asked for from now on tells.
            Contact::Asking => self.set_contact(rank, Contact::Pending { since: now.at }),
            contact => self.set_contact(rank, contact),
        }
        if cancelled {
            self.stop_for_cancel(rank, now, out);
        }
    }
}

/// A live attempt as the ledger knows it.
fn live(number: AttemptNumber, last: &AttemptRecord, queued_since: Timestamp) -> Live {
    let mut live = Live::new(number, queued_since, last.planned_at);
    live.host.clone_from(&last.host);
    match &last.state {
        // The engine before this one may have asked.
        AttemptState::Planned => live.maybe_since = Some(last.planned_at),
        AttemptState::Pending { since } => live.contact = Contact::Pending { since: *since },
        AttemptState::Running { since } => live.contact = Contact::Running { since: *since, until: *since },
        AttemptState::Settled { at, .. } => live.contact = Contact::Pending { since: *at },
    }
    live
}

/// Since when the build waited for its last attempt.
fn queued_since(record: &BuildRecord) -> Timestamp {
    let settled = |attempt: &AttemptRecord| match &attempt.state {
        AttemptState::Settled { at, .. } => Some(*at),
        AttemptState::Planned | AttemptState::Pending { .. } | AttemptState::Running { .. } => None,
    };
    record.attempts.iter().rev().skip(1).find_map(settled).unwrap_or(record.admitted_at)
}

/// The places to avoid, from the attempts that failed there.
fn avoid(record: &BuildRecord) -> Option<Box<Avoid>> {
    let mut avoid = None;
    for attempt in &record.attempts {
        if let Some(Outcome::Failed(failure)) = attempt.state.outcome() {
            let on_unknown = record.build.spec.on_unknown;
            Avoid::after(&mut avoid, &failure.cause, on_unknown, attempt.host.clone(), &attempt.route.executor);
        }
    }
    avoid
}
