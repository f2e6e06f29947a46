//! The reference: a plain fair queue that keeps no promise but fairness.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use netbuild_core::model::{AccountId, Build, BuildId};

use super::builds::Builds;
use super::cpu_time::CpuTime;

/// Round robin over accounts, first in, first out in each; it knows what waits and what runs, and finds either by its id.
/// It has no timers, no lanes, no limits, no attempts and no effects: what a queue costs that does nothing else.
#[derive(Debug, Default)]
pub struct PlainFair {
    queues: Vec<VecDeque<Arc<Build>>>,
    numbers: HashMap<AccountId, u32>,
    /// The accounts with waiting builds; the first one is next.
    turn: VecDeque<u32>,
    open: HashMap<BuildId, Arc<Build>>,
}

/// Nanoseconds a build.
#[derive(Clone, Copy, Debug)]
pub struct PlainTimes {
    /// To queue it.
    pub enqueue: f64,
    /// To pick it.
    pub start: f64,
    /// To forget it.
    pub end: f64,
}

impl PlainFair {
    /// Queues a build.
    pub fn enqueue(&mut self, build: Arc<Build>) {
        let fresh = self.queues.len() as u32;
        let number = *self.numbers.entry(build.account.clone()).or_insert(fresh);
        if number == fresh {
            self.queues.push(VecDeque::new());
        }
        let queue = &mut self.queues[number as usize];
        if queue.is_empty() {
            self.turn.push_back(number);
        }
        queue.push_back(build.clone());
        self.open.insert(build.id, build);
    }

    /// The next build of the account whose turn it is.
    pub fn pick(&mut self) -> Option<Arc<Build>> {
        let number = self.turn.pop_front()?;
        let queue = &mut self.queues[number as usize];
        let build = queue.pop_front()?;
        if !queue.is_empty() {
            self.turn.push_back(number);
        }
        Some(build)
    }

    /// Forgets a build that ran.
    pub fn finish(&mut self, build: BuildId) {
        self.open.remove(&build);
    }

    /// Queues all builds, then runs them, `slots` at a time.
    pub fn run(builds: &Builds, slots: usize) -> PlainTimes {
        let mut plain = PlainFair::default();
        let began = CpuTime::now();
        builds.0.iter().for_each(|build| plain.enqueue(build.clone()));
        let enqueue = began.elapsed_nanos();
        let (mut start, mut end) = (0.0, 0.0);
        while !plain.open.is_empty() {
            let began = CpuTime::now();
            let running: Vec<BuildId> = (0..slots).map_while(|_| plain.pick()).map(|build| build.id).collect();
            start += began.elapsed_nanos();
            let began = CpuTime::now();
            running.into_iter().for_each(|ended| plain.finish(ended));
            end += began.elapsed_nanos();
        }
        let count = builds.0.len() as f64;
        PlainTimes { enqueue: enqueue / count, start: start / count, end: end / count }
    }
}
