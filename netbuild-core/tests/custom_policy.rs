//! A policy of one's own and its unit test in virtual time, against the engine that production runs.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use netbuild_core::model::{Build, ExecutorName, Priority, Rank, Timestamp};
use netbuild_core::policy::{Policy, Queued};
use netbuild_core::testkit::{VirtualRun, conformance, fixtures};

/// Urgent builds first, and nobody starves: with each step of priority a build overtakes at most so many older ones.
#[derive(Debug)]
struct Overtaking {
    at_most: i64,
    lanes: BTreeMap<ExecutorName, BTreeSet<Place>>,
}

type Place = (i64, Reverse<Priority>, Rank);

impl Overtaking {
    fn place(&self, build: &Queued) -> Place {
        let rank = i64::try_from(build.rank.0).unwrap_or(i64::MAX);
        let place = rank.saturating_sub(self.at_most * i64::from(build.priority().0));
        (place, Reverse(build.priority()), build.rank)
    }

    fn leave(&mut self, build: &Queued) {
        let place = self.place(build);
        self.lanes.entry(build.lane.clone()).or_default().remove(&place);
    }
}

impl Policy for Overtaking {
    fn enqueued(&mut self, build: &Queued) {
        let place = self.place(build);
        self.lanes.entry(build.lane.clone()).or_default().insert(place);
    }

    fn withdrawn(&mut self, build: &Queued) {
        self.leave(build);
    }

    fn started(&mut self, build: &Queued) {
        self.leave(build);
    }

    fn finished(&mut self, _build: &Queued) {}

    fn next(&mut self, lane: &ExecutorName, _now: Timestamp) -> Option<Rank> {
        self.lanes.get(lane)?.first().map(|(_, _, rank)| *rank)
    }
}

fn overtaking(at_most: i64) -> Overtaking {
    Overtaking { at_most, lanes: BTreeMap::new() }
}

#[test]
fn an_urgent_build_overtakes_two_and_no_more() {
    let mut run = VirtualRun::new(overtaking(2)).slots(1).lasts(|_| Duration::from_secs(600));
    for n in 1..=6 {
        let priority = Priority(if n == 6 { 1 } else { 0 });
        run.submit(Duration::from_secs(n), Build { priority, ..fixtures::build("acme", "site", n) });
    }
    run.run();
    assert_eq!(run.started(), [1, 2, 3, 6, 4, 5].map(fixtures::build_id));
    assert_eq!(run.attempts()[3].started, Duration::from_secs(1 + 3 * 600), "urgent, and third in line");
    assert_eq!(run.stats().policy_violations, 0);
}

#[test]
fn it_keeps_the_contract() {
    conformance::policy::run(|| overtaking(2)).assert_all_passed();
}
