//! First in, first out.

use std::collections::{BTreeMap, BTreeSet};

use super::{Policy, Queued};
use crate::model::{ExecutorName, Rank, Timestamp};

/// Starts the oldest build of each lane first, whoever's it is. `next` and each step cost O(log n).
#[derive(Clone, Debug, Default)]
pub struct Fifo {
    lanes: BTreeMap<ExecutorName, BTreeSet<Rank>>,
}

impl Fifo {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    fn leave(&mut self, build: &Queued) {
        if let Some(lane) = self.lanes.get_mut(&build.lane) {
            lane.remove(&build.rank);
            if lane.is_empty() {
                self.lanes.remove(&build.lane);
            }
        }
    }
}

impl Policy for Fifo {
    fn enqueued(&mut self, build: &Queued) {
        match self.lanes.get_mut(&build.lane) {
            Some(lane) => lane.insert(build.rank),
            None => self.lanes.entry(build.lane.clone()).or_default().insert(build.rank),
        };
    }

    fn withdrawn(&mut self, build: &Queued) {
        self.leave(build);
    }

    fn started(&mut self, build: &Queued) {
        self.leave(build);
    }

    fn finished(&mut self, _build: &Queued) {}

    fn next(&mut self, lane: &ExecutorName, _now: Timestamp) -> Option<Rank> {
        self.lanes.get(lane)?.first().copied()
    }
}
