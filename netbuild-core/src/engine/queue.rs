//! From the backlog to an attempt: waiting, dispatch, cancelling what waits.

use super::entry::{Contact, Live, Stage};
use super::machine::{Engine, Now};
use super::step::{Action, Effects};
use crate::model::{AttemptNumber, BuildKey, CancelReason, Cause, Change, Ending, ExecutorName, Rank, Route};
use crate::port::Notice;

impl Engine {
    /// Starts attempts in every lane that has room. A lane that is full or closed holds up no other.
    pub(super) fn dispatch(&mut self, now: Now<'_>, out: &mut Effects) {
        self.lanes.values_mut().for_each(|lane| lane.reopen(now.at));
        let with_room = self.lanes.iter().filter(|(_, lane)| lane.has_room(&self.config));
        let with_room: Vec<ExecutorName> = with_room.map(|(name, _)| name.clone()).collect();
        for lane in &with_room {
            while self.lanes.get(lane).is_some_and(|lane| lane.has_room(&self.config)) {
                let Some(rank) = self.policy.next(lane, now.at) else { break };
                if !self.is_queued_in(lane, rank) {
                    self.stats.policy_violations += 1;
                    break;
                }
                self.plan(rank, now, out);
            }
        }
    }

    fn is_queued_in(&self, lane: &ExecutorName, rank: Rank) -> bool {
        let entry = self.entries.get(&rank);
        entry.is_some_and(|entry| matches!(entry.stage, Stage::Queued { .. }) && entry.queued.lane == *lane)
    }

    /// Makes a new attempt of a queued build.
    fn plan(&mut self, rank: Rank, now: Now<'_>, out: &mut Effects) {
        let Some(entry) = self.entries.get_mut(&rank) else { return };
        let Stage::Queued { since } = entry.stage else { return };
        entry.attempts += 1;
        let number = AttemptNumber::new(entry.attempts);
        let attempt = entry.key().attempt(number);
        let executor = entry.queued.lane.clone();
        // The lane was chosen by the same router version, so its answer differs only if the router breaks its contract;
        // the build then runs where it was queued.
        let route = Route { executor: executor.clone(), ..now.router.route(entry.build(), entry.avoid_executors()) };
        out.persist.push(Change::Planned { attempt: attempt.clone(), route: route.clone(), at: now.at });
        out.notify.push(Notice::Planned { attempt, route });
        self.policy.started(&entry.queued);
        if let Some(lane) = self.lanes.get_mut(&executor) {
            lane.live.insert(rank);
        }
        self.set_stage(rank, Stage::Live(Box::new(Live::new(number, since, now.at))));
        self.ask(rank, out);
    }

    /// Asks the executor to start the live attempt.
    pub(super) fn ask(&mut self, rank: Rank, out: &mut Effects) {
        let Some(entry) = self.entries.get_mut(&rank) else { return };
        let Some(attempt) = entry.attempt() else { return };
        let (executor, build) = (entry.queued.lane.clone(), entry.build().clone());
        let avoid = entry.avoid_hosts().to_vec();
        out.act.push(Action::Start { attempt, executor, build, avoid });
        self.set_contact(rank, Contact::Asking);
    }

    pub(super) fn cancel(&mut self, key: &BuildKey, reason: CancelReason, now: Now<'_>, out: &mut Effects) {
        let Some(&rank) = self.ranks.get(&key.build).filter(|_| self.can_cancel(key)) else {
            self.stats.stale_inputs += 1;
            return;
        };
        let Some(entry) = self.entries.get_mut(&rank) else { return };
        if entry.cancel.is_none() {
            entry.cancel = Some(reason);
            out.persist.push(Change::CancelAsked { build: entry.key(), reason, at: now.at });
        }
        match entry.stage {
            Stage::Queued { .. } => {
                self.leave_lane(rank);
                self.end(rank, Ending::Cancelled { reason }, now, out);
            }
            Stage::Waiting { .. } => self.end(rank, Ending::Cancelled { reason }, now, out),
            Stage::Live(_) => self.stop_for_cancel(rank, now, out),
            Stage::Activating(_) => {}
        }
    }

    /// A waiting build's time came: its backoff passed, or it waited too long.
    pub(super) fn waiting_due(&mut self, rank: Rank, now: Now<'_>, out: &mut Effects) {
        let Some(entry) = self.entries.get(&rank) else { return };
        let queue_limit = entry.build().spec.limits.queue;
        match entry.stage {
            Stage::Queued { since } if since + queue_limit <= now.at => {
                self.leave_lane(rank);
                self.end(rank, Ending::from(Cause::QueueTimeout), now, out);
            }
            Stage::Waiting { since, .. } if since + queue_limit <= now.at => {
                self.end(rank, Ending::from(Cause::QueueTimeout), now, out);
            }
            Stage::Waiting { since, not_before } if not_before <= now.at => {
                self.set_stage(rank, Stage::Queued { since });
                self.enter_lane(rank, now, out);
            }
            _ => self.arm(rank),
        }
    }
}
