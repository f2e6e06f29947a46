//! From the backlog to an attempt: waiting, dispatch, cancelling what waits.

use super::entry::{Contact, Entry, Live, Stage};
use super::machine::{Engine, Now};
use super::step::{Action, Effects};
use crate::model::{AttemptNumber, BuildId, BuildKey, CancelReason, Cause, Change, Ending, ExecutorName, Rank, Route};
use crate::port::Notice;

impl Engine {
    /// Starts attempts in every lane that has room. A lane that is full or closed holds up no other.
    pub(super) fn dispatch(&mut self, now: Now<'_>, out: &mut Effects) {
        let lanes: Vec<ExecutorName> = self.lanes.keys().cloned().collect();
        for lane in &lanes {
            while self.has_room(lane, now) {
                let Some(id) = self.policy.next(lane, now.at) else { break };
                let Some(rank) = self.queued_in(lane, id) else {
                    self.stats.policy_violations += 1;
                    break;
                };
                self.plan(rank, now, out);
            }
        }
    }

    fn has_room(&mut self, lane: &ExecutorName, now: Now<'_>) -> bool {
        let Some(lane) = self.lanes.get_mut(lane) else { return false };
        if lane.closed_until.is_some_and(|until| until > now.at) {
            return false;
        }
        lane.closed_until = None;
        if lane.asking.len() >= self.config.max_asking {
            return false;
        }
        lane.slots.is_none_or(|slots| lane.live.len() < slots as usize)
    }

    fn queued_in(&self, lane: &ExecutorName, id: BuildId) -> Option<Rank> {
        let rank = *self.ranks.get(&id)?;
        let entry = self.entries.get(&rank)?;
        (matches!(entry.stage, Stage::Queued { .. }) && entry.queued.lane == *lane).then_some(rank)
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
        let route = Route { executor: executor.clone(), ..now.router.route(&entry.build, &entry.avoid.executors) };
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
        let Entry { queued, build, avoid, .. } = entry;
        let (executor, build, avoid) = (queued.lane.clone(), build.clone(), avoid.hosts.clone());
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
            Stage::Activating { .. } => {}
        }
    }

    /// A waiting build's time came: its backoff passed, or it waited too long.
    pub(super) fn waiting_due(&mut self, rank: Rank, now: Now<'_>, out: &mut Effects) {
        let Some(entry) = self.entries.get(&rank) else { return };
        let queue_limit = entry.build.spec.limits.queue;
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
