//! The end of an attempt and what follows: another attempt, an activation, or the end of the build.

use super::entry::{Activating, Avoid, Stage, conclude};
use super::machine::{Engine, Now};
use super::retry::{self, Retry};
use super::step::{Action, Effects};
use crate::model::{AttemptId, AttemptNumber, Cause, Change, Ending, Failure, HostName, Outcome, Owner, Rank, Report};
use crate::port::{Activation, Notice};

impl Engine {
    /// The live attempt is over. It counts as settled here and now; a later report about it is stale.
    pub(super) fn settle(&mut self, rank: Rank, report: Report, now: Now<'_>, out: &mut Effects) {
        let Some(entry) = self.entries.get(&rank) else { return };
        let (Some(attempt), Some(live)) = (entry.attempt(), entry.live()) else { return };
        let report = conclude(report, entry);
        let (host, executor) = (live.host.clone(), entry.queued.lane.clone());
        out.persist.push(Change::Settled { attempt: attempt.clone(), report: report.clone(), at: now.at });
        out.notify.push(Notice::Settled { attempt: attempt.clone(), report: report.clone() });
        out.act.push(Action::Remove { attempt: attempt.clone(), executor: executor.clone() });
        self.policy.finished(&entry.queued);
        if let Some(lane) = self.lanes.get_mut(&executor) {
            lane.live.remove(&rank);
            lane.asking.remove(&rank);
        }
        self.follow(rank, attempt.number, report.outcome, host, now, out);
    }

    /// What follows from an attempt's outcome.
    pub(super) fn follow(
        &mut self,
        rank: Rank,
        number: AttemptNumber,
        outcome: Outcome,
        host: Option<HostName>,
        now: Now<'_>,
        out: &mut Effects,
    ) {
        let Some(entry) = self.entries.get(&rank) else { return };
        match (entry.cancel, outcome) {
            (Some(reason), _) => self.end(rank, Ending::Cancelled { reason }, now, out),
            (None, Outcome::Succeeded { deploy: Some(deploy) }) => {
                let activating = Activating { number, deploy, again_at: None };
                self.set_stage(rank, Stage::Activating(Box::new(activating)));
                self.activate(rank, out);
            }
            (None, Outcome::Succeeded { deploy: None }) => self.end(rank, Ending::Passed, now, out),
            (None, Outcome::Failed(failure)) => self.failed(rank, number, failure, host, now, out),
            // Only a cancel of the build makes an attempt end as cancelled: see `conclude`.
            (None, Outcome::Cancelled) => {
                let failure = Failure::new(Cause::DeletedByOthers, "");
                self.failed(rank, number, failure, host, now, out);
            }
        }
    }

    fn failed(
        &mut self,
        rank: Rank,
        number: AttemptNumber,
        failure: Failure,
        host: Option<HostName>,
        now: Now<'_>,
        out: &mut Effects,
    ) {
        let Some(entry) = self.entries.get_mut(&rank) else { return };
        let on_unknown = entry.build().spec.on_unknown;
        let retry = retry::decide(&failure.cause, on_unknown, entry.build().id, number, &self.config);
        Avoid::after(&mut entry.avoid, &failure.cause, on_unknown, host, &entry.queued.lane);
        match retry {
            // What the configuration forbids here needs another executor, and there is none.
            Retry::Again { .. } if failure.owner() == Owner::Config && !entry.has_choice(now.router) => {
                self.end(rank, Ending::Failed { failure }, now, out);
            }
            Retry::GiveUp => self.end(rank, Ending::Failed { failure }, now, out),
            Retry::Again { after } => {
                let (build, not_before) = (entry.key(), now.at + after);
                out.persist.push(Change::Requeued { build: build.clone(), not_before, at: now.at });
                out.notify.push(Notice::Requeued { build, not_before });
                self.set_stage(rank, Stage::Waiting { since: now.at, not_before });
            }
        }
    }

    /// Asks the ledger to make the deploy visible.
    pub(super) fn activate(&mut self, rank: Rank, out: &mut Effects) {
        let Some(entry) = self.entries.get_mut(&rank) else { return };
        let key = entry.key();
        if let Stage::Activating(activating) = &mut entry.stage {
            activating.again_at = None;
            out.act.push(Action::Activate { attempt: key.attempt(activating.number) });
        }
        self.arm(rank);
    }

    pub(super) fn activated(
        &mut self,
        attempt: &AttemptId,
        answer: Option<Activation>,
        now: Now<'_>,
        out: &mut Effects,
    ) {
        let at = now.at + self.config.ask_again;
        let rank = self.ranks.get(&attempt.build.build).copied();
        let entry = rank.and_then(|rank| self.entries.get_mut(&rank));
        let (Some(rank), Some(entry)) = (rank, entry) else {
            self.stats.stale_inputs += 1;
            return;
        };
        let Stage::Activating(activating) = &mut entry.stage else {
            self.stats.stale_inputs += 1;
            return;
        };
        if activating.number != attempt.number {
            self.stats.stale_inputs += 1;
            return;
        }
        let deploy = activating.deploy.clone();
        let ending = match answer {
            Some(Activation::Visible) => Ending::Deployed { deploy },
            Some(Activation::Superseded { by }) => Ending::Superseded { deploy, by },
            None => {
                activating.again_at = Some(at);
                self.arm(rank);
                return;
            }
        };
        // The ledger ended the build in the transaction that activated it.
        self.forget(rank);
        out.notify.push(Notice::Ended { build: attempt.build.clone(), ending });
    }

    /// Does everything that is due.
    pub(super) fn do_what_is_due(&mut self, now: Now<'_>, out: &mut Effects) {
        while let Some(rank) = self.pop_due(now.at) {
            let Some(entry) = self.entries.get(&rank) else { continue };
            match entry.stage {
                Stage::Waiting { .. } | Stage::Queued { .. } => self.waiting_due(rank, now, out),
                Stage::Live(_) => self.live_due(rank, now, out),
                Stage::Activating(_) => self.activate(rank, out),
            }
        }
    }
}
