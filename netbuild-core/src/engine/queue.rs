//! From the backlog to an attempt: waiting, dispatch, cancelling what waits.

use super::builds::Builds;
use super::entry::{Contact, Entry, Live, Stage};
use super::step::Action;
use super::turn::Turn;
use crate::model::{AttemptNumber, CancelReason, Cause, Change, Ending, ExecutorName, Failure};
use crate::port::Notice;

impl Builds {
    /// Starts attempts in every lane that has room. A lane that is full or closed holds up no other.
    pub(super) fn dispatch(&mut self, turn: &mut Turn<'_>) {
        turn.shared.lanes.values_mut().for_each(|lane| lane.reopen(turn.at));
        let with_room = turn.shared.lanes.iter().filter(|(_, lane)| lane.has_room(&turn.shared.config));
        let with_room: Vec<ExecutorName> = with_room.map(|(name, _)| name.clone()).collect();
        for lane in &with_room {
            while turn.shared.has_room(lane) {
                let Some(rank) = turn.shared.policy.next(lane, turn.at) else { break };
                if self.change(rank, turn, |entry, turn| turn.plan(entry, lane)) != Some(true) {
                    turn.shared.stats.policy_violations += 1;
                    break;
                }
            }
        }
    }
}

impl Turn<'_> {
    /// Routes a queued build and puts it into its lane's backlog.
    pub(super) fn enter_lane(&mut self, entry: &mut Entry) {
        entry.queued.lane = self.router.route(entry.build(), entry.avoid_executors()).executor;
        self.join_lane(entry);
    }

    /// Puts a routed build into its lane's backlog; ends it when there is no such lane.
    pub(super) fn join_lane(&mut self, entry: &mut Entry) {
        let executor = &entry.queued.lane;
        if self.shared.lanes.contains_key(executor) {
            self.shared.policy.enqueued(&entry.queued);
            return;
        }
        let evidence = format!("the route names the executor {executor}, which this scheduler does not have");
        self.end(entry, Ending::Failed { failure: Failure::new(Cause::NoExecutor, evidence) });
    }

    /// Takes a queued build out of its lane's backlog.
    pub(super) fn leave_lane(&mut self, entry: &Entry) {
        self.shared.policy.withdrawn(&entry.queued);
    }

    /// Makes a new attempt of a build that is queued in this lane. Whether it is.
    fn plan(&mut self, entry: &mut Entry, lane: &ExecutorName) -> bool {
        let Stage::Queued { since } = entry.stage else { return false };
        if entry.queued.lane != *lane {
            return false;
        }
        entry.attempts += 1;
        let number = AttemptNumber::new(entry.attempts);
        let attempt = entry.key().attempt(number);
        // The lane was chosen by the same router version, so its answer differs only if the router breaks its contract;
        // the build then runs where it was queued.
        let mut route = self.router.route(entry.build(), entry.avoid_executors());
        if route.executor != *lane {
            route.executor = lane.clone();
        }
        self.out.persist.push(Change::Planned { attempt: attempt.clone(), route: route.clone(), at: self.at });
        self.out.notify.push(Notice::Planned { attempt, route });
        self.shared.policy.started(&entry.queued);
        entry.stage = Stage::Live(Box::new(Live::new(number, since, self.at)));
        self.ask(entry);
        true
    }

    /// Asks the executor to start the live attempt.
    pub(super) fn ask(&mut self, entry: &mut Entry) {
        let Some(attempt) = entry.attempt() else { return };
        let (executor, build) = (entry.queued.lane.clone(), entry.build().clone());
        let avoid = entry.avoid_hosts().to_vec();
        self.out.act.push(Action::Start { attempt, executor, build, avoid });
        if let Some(live) = entry.live_mut() {
            live.contact = Contact::Asking;
        }
    }

    /// Whether a cancel still has an effect.
    pub(super) fn cancel(&mut self, entry: &mut Entry, reason: CancelReason) -> bool {
        if matches!(entry.stage, Stage::Activating(_)) {
            return false;
        }
        if entry.cancel.is_none() {
            entry.cancel = Some(reason);
            self.out.persist.push(Change::CancelAsked { build: entry.key(), reason, at: self.at });
        }
        match entry.stage {
            Stage::Queued { .. } => {
                self.leave_lane(entry);
                self.end(entry, Ending::Cancelled { reason });
            }
            Stage::Waiting { .. } => self.end(entry, Ending::Cancelled { reason }),
            Stage::Live(_) => self.stop_for_cancel(entry),
            Stage::Activating(_) | Stage::Over => {}
        }
        true
    }

    /// A waiting build's time came: its backoff passed, or it waited too long.
    pub(super) fn waiting_due(&mut self, entry: &mut Entry) {
        let queue_limit = entry.build().spec.limits.queue;
        match entry.stage {
            Stage::Queued { since } if since + queue_limit <= self.at => {
                self.leave_lane(entry);
                self.end(entry, Ending::from(Cause::QueueTimeout));
            }
            Stage::Waiting { since, .. } if since + queue_limit <= self.at => {
                self.end(entry, Ending::from(Cause::QueueTimeout));
            }
            Stage::Waiting { since, not_before } if not_before <= self.at => {
                entry.stage = Stage::Queued { since };
                self.enter_lane(entry);
            }
            _ => {}
        }
    }
}
