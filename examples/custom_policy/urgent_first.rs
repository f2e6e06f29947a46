//! A scheduling policy of one's own.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use netbuild_core::model::{ExecutorName, Priority, Rank, Timestamp};
use netbuild_core::policy::{Policy, Queued};

/// The highest priority first; within one, the oldest.
#[derive(Debug, Default)]
pub(crate) struct UrgentFirst(BTreeMap<ExecutorName, BTreeSet<(Reverse<Priority>, Rank)>>);

impl UrgentFirst {
    fn leave(&mut self, build: &Queued) {
        if let Some(lane) = self.0.get_mut(&build.lane) {
            lane.remove(&(Reverse(build.priority()), build.rank));
        }
    }
}

impl Policy for UrgentFirst {
    fn enqueued(&mut self, build: &Queued) {
        let lane = self.0.entry(build.lane.clone()).or_default();
        lane.insert((Reverse(build.priority()), build.rank));
    }

    fn withdrawn(&mut self, build: &Queued) {
        self.leave(build);
    }

    fn started(&mut self, build: &Queued) {
        self.leave(build);
    }

    fn finished(&mut self, _build: &Queued) {}

    fn next(&mut self, lane: &ExecutorName, _now: Timestamp) -> Option<Rank> {
        self.0.get(lane)?.first().map(|(_, rank)| *rank)
    }
}
