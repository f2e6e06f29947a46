//! The builds after a restart: from the ledger's open builds.

use std::sync::Arc;

use super::builds::Builds;
use super::entry::{Activating, Avoid, Contact, Entry, Live, Stage};
use super::turn::Turn;
use crate::model::{AttemptNumber, AttemptRecord, AttemptState, BuildRecord, BuildState, Ending, Outcome, Timestamp};

impl Builds {
    /// See [`Engine::restore`](super::Engine::restore).
    pub(super) fn restore(&mut self, record: BuildRecord, turn: &mut Turn<'_>) {
        let attempts = u32::try_from(record.attempts.len()).unwrap_or(u32::MAX);
        let cancel = record.cancel_asked.map(|(reason, _)| reason);
        let last = record.attempts.last().cloned();
        let stage = match (&record.state, &last) {
            (BuildState::Queued { since, not_before }, _) if *not_before > turn.at => {
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
            (BuildState::Live { .. } | BuildState::Ended { .. }, _) => return,
        };
        let avoid = avoid(&record);
        let build = Arc::new(record.build);
        let lane = match &last {
            Some(last) => last.route.executor.clone(),
            None => turn.router.route(&build, &[]).executor,
        };
        let entry = Entry { attempts, avoid, cancel, ..Entry::new(build, record.rank, lane, stage) };
        let settled = last.and_then(|last| last.state.outcome().cloned());
        self.insert(entry, turn, |entry, turn| turn.resume(entry, settled));
    }
}

impl Turn<'_> {
    fn resume(&mut self, entry: &mut Entry, settled: Option<Outcome>) {
        match (&entry.stage, entry.cancel) {
            (Stage::Queued { .. } | Stage::Waiting { .. } | Stage::Activating(_), Some(reason)) => {
                self.end(entry, Ending::Cancelled { reason });
            }
            (Stage::Queued { .. }, None) => self.enter_lane(entry),
            (Stage::Activating(_), None) => self.activate(entry),
            (Stage::Live(_), cancel) => match settled {
                // Its host is among those to avoid already.
                Some(outcome) => self.follow(entry, AttemptNumber::new(entry.attempts), outcome, None),
                None => self.resume_live(entry, cancel.is_some()),
            },
            (Stage::Waiting { .. }, None) | (Stage::Over, _) => {}
        }
    }

    fn resume_live(&mut self, entry: &mut Entry, cancelled: bool) {
        // The policy learns what runs, so that its counts are those of the ledger.
        self.shared.policy.enqueued(&entry.queued);
        self.shared.policy.started(&entry.queued);
        let Some(live) = entry.live_mut() else { return };
        live.seen_at_step = self.shared.steps;
        match live.contact {
            Contact::Asking if !cancelled => self.ask(entry),
            // It may have been started: a list asked for from now on tells.
            Contact::Asking => live.contact = Contact::Pending { since: self.at },
            Contact::AskAgain { .. } | Contact::Pending { .. } | Contact::Running { .. } => {}
        }
        if cancelled {
            self.stop_for_cancel(entry);
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
