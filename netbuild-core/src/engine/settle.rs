//! The end of an attempt and what follows: another attempt, an activation, or the end of the build.

use super::entry::{Activating, Avoid, Entry, Stage, conclude};
use super::retry::{self, Retry};
use super::step::Action;
use super::turn::Turn;
use crate::model::{AttemptNumber, Cause, Change, Ending, Failure, HostName, Outcome, Owner, Report};
use crate::port::{Activation, Notice};

impl Turn<'_> {
    /// The live attempt is over. It counts as settled here and now; a later report about it is stale.
    pub(super) fn settle(&mut self, entry: &mut Entry, report: Report) {
        let (Some(attempt), Some(live)) = (entry.attempt(), entry.live()) else { return };
        let report = conclude(report, entry);
        let (host, executor, number) = (live.host.clone(), entry.queued.lane.clone(), attempt.number);
        let outcome = report.outcome.clone();
        self.out.persist.push(Change::Settled { attempt: attempt.clone(), report: report.clone(), at: self.at });
        self.out.notify.push(Notice::Settled { attempt: attempt.clone(), report });
        self.out.act.push(Action::Remove { attempt, executor });
        self.shared.policy.finished(&entry.queued);
        self.follow(entry, number, outcome, host);
    }

    /// What follows from an attempt's outcome.
    pub(super) fn follow(
        &mut self,
        entry: &mut Entry,
        number: AttemptNumber,
        outcome: Outcome,
        host: Option<HostName>,
    ) {
        match (entry.cancel, outcome) {
            (Some(reason), _) => self.end(entry, Ending::Cancelled { reason }),
            (None, Outcome::Succeeded { deploy: Some(deploy) }) => {
                entry.stage = Stage::Activating(Box::new(Activating { number, deploy, again_at: None }));
                self.activate(entry);
            }
            (None, Outcome::Succeeded { deploy: None }) => self.end(entry, Ending::Passed),
            (None, Outcome::Failed(failure)) => self.failed(entry, number, failure, host),
            // Only a cancel of the build makes an attempt end as cancelled: see `conclude`.
            (None, Outcome::Cancelled) => {
                let failure = Failure::new(Cause::DeletedByOthers, "");
                self.failed(entry, number, failure, host);
            }
        }
    }

    fn failed(&mut self, entry: &mut Entry, number: AttemptNumber, failure: Failure, host: Option<HostName>) {
        let on_unknown = entry.build().spec.on_unknown;
        let retry = retry::decide(&failure.cause, on_unknown, entry.build().id, number, &self.shared.config);
        Avoid::after(&mut entry.avoid, &failure.cause, on_unknown, host, &entry.queued.lane);
        match retry {
            // What the configuration forbids here needs another executor, and there is none.
            Retry::Again { .. } if failure.owner() == Owner::Config && !entry.has_choice(self.router) => {
                self.end(entry, Ending::Failed { failure });
            }
            Retry::GiveUp => self.end(entry, Ending::Failed { failure }),
            Retry::Again { after } => {
                let (build, not_before) = (entry.key(), self.at + after);
                self.out.persist.push(Change::Requeued { build: build.clone(), not_before, at: self.at });
                self.out.notify.push(Notice::Requeued { build, not_before });
                entry.stage = Stage::Waiting { since: self.at, not_before };
            }
        }
    }

    /// Asks the ledger to make the deploy visible.
    pub(super) fn activate(&mut self, entry: &mut Entry) {
        let key = entry.key();
        if let Stage::Activating(activating) = &mut entry.stage {
            activating.again_at = None;
            self.out.act.push(Action::Activate { attempt: key.attempt(activating.number) });
        }
    }

    /// The ledger answered: whether it was asked.
    pub(super) fn activated(&mut self, entry: &mut Entry, number: AttemptNumber, answer: Option<Activation>) -> bool {
        let build = entry.key();
        let Stage::Activating(activating) = &mut entry.stage else { return false };
        if activating.number != number {
            return false;
        }
        let deploy = activating.deploy.clone();
        let ending = match answer {
            Some(Activation::Visible) => Ending::Deployed { deploy },
            Some(Activation::Superseded { by }) => Ending::Superseded { deploy, by },
            None => {
                activating.again_at = Some(self.at + self.shared.config.ask_again);
                return true;
            }
        };
        // The ledger ended the build in the transaction that activated it.
        entry.stage = Stage::Over;
        self.out.notify.push(Notice::Ended { build, ending });
        true
    }

    /// Ends a build. It is in no lane and has no live attempt.
    pub(super) fn end(&mut self, entry: &mut Entry, ending: Ending) {
        let build = entry.key();
        entry.stage = Stage::Over;
        self.out.persist.push(Change::Ended { build: build.clone(), ending: ending.clone(), at: self.at });
        self.out.notify.push(Notice::Ended { build, ending });
    }
}
