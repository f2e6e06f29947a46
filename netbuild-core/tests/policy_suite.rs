//! netbuild's policies keep the contract; and planted defects: for each case of the suite a policy that is wrong in just the
//! way which the case looks for. A case that finds none of its defects proves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use netbuild_core::model::{ExecutorName, Rank, Timestamp};
use netbuild_core::policy::{AccountLimit, AccountLimits, Fifo, Policy, Queued};
use netbuild_core::testkit::conformance::policy;

#[test]
fn netbuilds_policies_keep_the_contract() {
    policy::run(Fifo::new).assert_all_passed();
    for limit in [1, 2, 100] {
        policy::run(|| AccountLimit::new(Fifo::new(), AccountLimits::each(limit))).assert_all_passed();
        policy::run(|| AccountLimit::new(Fifo::new(), AccountLimits::each(limit)).by_priority()).assert_all_passed();
    }
    let each = |limit| AccountLimits::each(limit);
    policy::run(|| AccountLimit::new(AccountLimit::new(Fifo::new(), each(1)), each(3))).assert_all_passed();
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    NamesOtherLanes,
    ForgetsWhatItNamed,
    LosesEveryTenth,
    DiffersByInstance,
    HoldsUpOtherLanes,
    KeepsTheWithdrawn,
    KnowsABuildOnce,
    StartsOnlyWhatItNamed,
}

/// First in, first out, with a fault.
#[derive(Debug)]
struct Faulty {
    fault: Fault,
    fifo: Fifo,
    /// Which instance it is, of all that were made.
    instance: u64,
    waiting: BTreeMap<Rank, Queued>,
    known: BTreeMap<Rank, u32>,
    named: BTreeSet<Rank>,
}

impl Faulty {
    fn new(fault: Fault, instance: u64) -> Self {
        let (waiting, known) = (BTreeMap::new(), BTreeMap::new());
        Faulty { fault, fifo: Fifo::new(), instance, waiting, known, named: BTreeSet::new() }
    }
}

impl Policy for Faulty {
    fn enqueued(&mut self, build: &Queued) {
        let times = self.known.entry(build.rank).or_default();
        *times += 1;
        let lost = self.fault == Fault::LosesEveryTenth && build.rank.0.is_multiple_of(10)
            || self.fault == Fault::KnowsABuildOnce && *times > 1;
        if !lost {
            self.fifo.enqueued(build);
            self.waiting.insert(build.rank, build.clone());
        }
    }

    fn withdrawn(&mut self, build: &Queued) {
        if self.fault != Fault::KeepsTheWithdrawn {
            self.fifo.withdrawn(build);
            self.waiting.remove(&build.rank);
        }
    }

    fn started(&mut self, build: &Queued) {
        if self.fault == Fault::StartsOnlyWhatItNamed && !self.named.remove(&build.rank) {
            return;
        }
        self.fifo.started(build);
        self.waiting.remove(&build.rank);
    }

    fn finished(&mut self, build: &Queued) {
        self.fifo.finished(build);
    }

    fn next(&mut self, lane: &ExecutorName, now: Timestamp) -> Option<Rank> {
        match self.fault {
            Fault::NamesOtherLanes => self.waiting.keys().next().copied(),
            Fault::HoldsUpOtherLanes => {
                let first = self.waiting.values().next().filter(|first| first.lane == *lane)?;
                Some(first.rank)
            }
            Fault::DiffersByInstance if self.instance % 2 == 1 => {
                self.waiting.values().rev().find(|build| build.lane == *lane).map(|build| build.rank)
            }
            Fault::StartsOnlyWhatItNamed => {
                let named = self.fifo.next(lane, now)?;
                self.named.insert(named);
                Some(named)
            }
            Fault::ForgetsWhatItNamed => {
                let named = self.fifo.next(lane, now)?;
                // It goes to the end of the line whenever it was named.
                let mut build = self.waiting.get(&named)?.clone();
                self.fifo.withdrawn(&build);
                build.rank.0 += 1_000;
                self.fifo.enqueued(&build);
                self.waiting.insert(named, build);
                Some(named)
            }
            _ => self.fifo.next(lane, now),
        }
    }
}

#[test]
fn every_case_finds_its_defect() {
    let defects = [
        ("next_names_only_builds_that_wait_in_that_lane", Fault::NamesOtherLanes),
        ("next_changes_nothing", Fault::ForgetsWhatItNamed),
        ("nothing_is_lost", Fault::LosesEveryTenth),
        ("the_same_calls_give_the_same_answers", Fault::DiffersByInstance),
        ("a_lane_that_is_full_holds_up_no_other", Fault::HoldsUpOtherLanes),
        ("a_build_that_left_is_not_named", Fault::KeepsTheWithdrawn),
        ("a_retry_is_named_again", Fault::KnowsABuildOnce),
        ("builds_that_ran_before_a_restart_are_taken_in", Fault::StartsOnlyWhatItNamed),
    ];
    for (case, fault) in defects {
        let made = Arc::new(AtomicU64::new(0));
        let report = policy::run(|| Faulty::new(fault, made.fetch_add(1, Ordering::Relaxed)));
        assert!(report.failed.iter().any(|(failed, _)| *failed == case), "{case} does not find {fault:?}: {report}");
    }
    let all: Vec<&str> = policy::run(Fifo::new).passed;
    assert_eq!(all, defects.map(|(case, _)| case), "each case has a defect");
}
