//! Histories made by hand, each with one broken promise: the check of that promise finds it, and finds nothing in the good
//! history that it was made of.

use netbuild_core::model::{AttemptId, AttemptNumber, BuildKey, CancelReason, Cause, Ending, Failure, Outcome, Rank};
use netbuild_core::testkit::fixtures;

use crate::desk::lane;
use crate::history::{self, Bounds, Fact};

const BOUNDS: Bounds = Bounds { per_account: 1, attempts: 2 };

fn build(n: u64) -> BuildKey {
    fixtures::build("acme", "site", n).key()
}

fn attempt(n: u64, number: u32) -> AttemptId {
    build(n).attempt(AttemptNumber::new(number))
}

fn admitted(n: u64) -> Fact {
    Fact::Admitted { build: build(n) }
}

fn planned(n: u64, number: u32, waiting: &[u64]) -> Fact {
    let waiting = waiting.iter().map(|rank| Rank(*rank)).collect();
    Fact::Planned { attempt: attempt(n, number), rank: Rank(n), lane: lane("a"), slots: Some(1), waiting }
}

fn works(n: u64, number: u32) -> Fact {
    Fact::Works { attempt: attempt(n, number) }
}

fn rests(n: u64, number: u32) -> Fact {
    Fact::Rests { attempt: attempt(n, number) }
}

fn settled(n: u64, number: u32, outcome: Outcome) -> Fact {
    Fact::Settled { attempt: attempt(n, number), outcome, customers: false, works: false }
}

fn failed(n: u64, number: u32, cause: Cause) -> Fact {
    settled(n, number, Outcome::Failed(Failure::new(cause, "")))
}

fn succeeded(n: u64, number: u32) -> Fact {
    settled(n, number, fixtures::succeeded(Some(fixtures::deploy(n))).outcome)
}

fn ended(n: u64, ending: Ending) -> Fact {
    Fact::Ended { build: build(n), rank: Rank(n), ending }
}

fn deployed(n: u64) -> Fact {
    ended(n, Ending::Deployed { deploy: fixtures::deploy(n) })
}

/// Three builds: one needs two attempts, one succeeds at once, one is cancelled.
fn good() -> Vec<Fact> {
    vec![
        admitted(1),
        admitted(2),
        admitted(3),
        planned(1, 1, &[2, 3]),
        works(1, 1),
        rests(1, 1),
        failed(1, 1, Cause::Lost),
        Fact::Requeued { build: build(1) },
        planned(1, 2, &[2, 3]),
        works(1, 2),
        Fact::CancelAccepted { build: build(3) },
        ended(3, Ending::Cancelled { reason: CancelReason::User }),
        rests(1, 2),
        succeeded(1, 2),
        deployed(1),
        planned(2, 1, &[]),
        works(2, 1),
        rests(2, 1),
        succeeded(2, 1),
        deployed(2),
        Fact::Counted { engine: 0, ledger: 0 },
        Fact::Ticked { next_after: Some(1) },
        Fact::Ticked { next_after: None },
        Fact::Over,
    ]
}

/// The good history with the fact at a place exchanged for others.
fn with(at: usize, facts: Vec<Fact>) -> Vec<Fact> {
    let mut history = good();
    history.splice(at..=at, facts);
    history
}

type Check = fn(&[Fact]) -> Result<(), String>;

fn accounts(history: &[Fact]) -> Result<(), String> {
    history::accounts_keep_their_limit(history, BOUNDS.per_account)
}

fn attempts(history: &[Fact]) -> Result<(), String> {
    history::attempts_are_bounded(history, BOUNDS.attempts)
}

fn defects() -> Vec<(&'static str, Check, Vec<Fact>)> {
    let Fact::Settled { attempt: lost, outcome, .. } = failed(1, 1, Cause::HostLost) else { panic!("it is settled") };
    let gives_up = Fact::Settled { attempt: lost, outcome, customers: false, works: true };
    let in_b =
        Fact::Planned { attempt: attempt(2, 1), rank: Rank(2), lane: lane("b"), slots: Some(9), waiting: vec![] };
    let idle = Fact::Idle { lane: lane("b"), build: build(2) };
    let illegal = Fact::Illegal { change: "Accepted".to_owned() };
    vec![
        ("a build never ends", history::every_build_ends_once, with(19, vec![])),
        ("a build ends twice", history::every_build_ends_once, with(19, vec![deployed(2), deployed(2)])),
        (
            "the engine forgot a build",
            history::every_build_ends_once,
            with(20, vec![Fact::Counted { engine: 0, ledger: 1 }]),
        ),
        ("two attempts work", history::never_two_at_work, with(5, vec![])),
        ("a living attempt is given up", history::nothing_alive_is_given_up, with(6, vec![gives_up])),
        ("an older deploy replaces a newer one", history::newer_deploys_stay, with(3, vec![deployed(2)])),
        ("a cancelled build becomes visible", history::cancelled_stays_invisible, with(11, vec![deployed(3)])),
        ("a build is cancelled by nobody", history::cancelled_stays_invisible, with(10, vec![])),
        ("a lane is overfilled", history::lanes_are_not_overfilled, with(9, vec![planned(2, 1, &[])])),
        ("an account runs too many", accounts, with(9, vec![in_b])),
        ("a younger build starts first", history::first_attempts_are_in_order, with(15, vec![planned(2, 1, &[1])])),
        ("a lane with room starts nothing", history::no_lane_blocks_another, with(20, vec![idle])),
        (
            "a customer's failure is tried again",
            history::customers_are_never_retried,
            with(6, vec![failed(1, 1, Cause::CommandFailed { code: 1 })]),
        ),
        (
            "a lost host is the customer's fault",
            history::infrastructure_is_never_the_customers,
            with(18, vec![failed(2, 1, Cause::RunTimeout)]),
        ),
        ("a third attempt of two", attempts, with(15, vec![planned(2, 3, &[])])),
        ("the ledger refuses a change", history::every_change_is_legal, with(20, vec![illegal])),
        ("a deadline stays due", history::deadlines_move_on, with(21, vec![Fact::Ticked { next_after: Some(0) }])),
    ]
}

#[test]
fn every_check_finds_its_defect_and_nothing_in_the_good_history() {
    history::check(&good(), BOUNDS).unwrap();
    for (name, check, history) in defects() {
        assert!(check(&history).is_err(), "not found: {name}");
        assert!(check(&good()).is_ok(), "{name}: found in the good history");
        assert!(history::check(&history, BOUNDS).is_err(), "{name}: the check is not among those that are run");
    }
}
