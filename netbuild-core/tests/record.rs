//! The life cycles of builds and attempts: every change in every state, and what no sequence of changes can break.

use netbuild_core::model::{
    AttemptNumber, AttemptState, BuildKey, BuildRecord, BuildState, CancelReason, Cause, Change, Ending,
    IllegalChangeKind, Outcome, Place, Rank, Report, Timestamp,
};
use netbuild_core::testkit::fixtures::{
    build, deploy, failed, planned, publisher, requeued, route, settled, succeeded,
};
use proptest::prelude::*;

const AT: Timestamp = Timestamp::from_millis(1);

fn key() -> BuildKey {
    build("acme", "site", 1).key()
}

fn admitted() -> BuildRecord {
    let place = Place { publisher: publisher("api"), epoch: 1, seq: 1 };
    BuildRecord::admitted(build("acme", "site", 1), place, Rank(1), AT)
}

/// Each column is a state, each row a change, each cell the state that follows or the refusal. `next`, `last` and `other`
/// say which attempt is meant: one above the last, the last, any other.
const TABLE: &str = "
change            queued    planned   pending   running   failed    cancelled passed    waiting   requeued  second    ended
plan-next         planned   !NotNext  !NotNext  !NotNext  !NotNext  !NotNext  !NotNext  !NotNext  second    !NotNext  !Ended
plan-last         -         !NotNext  !NotNext  !NotNext  !NotNext  !NotNext  !NotNext  !NotNext  !NotNext  !NotNext  !Ended
plan-too-high     !NotNext  !NotNext  !NotNext  !NotNext  !NotNext  !NotNext  !NotNext  !NotNext  !NotNext  !NotNext  !Ended
accept-last       !Stale    pending   !Back     !Back     !Back     !Back     !Back     !Stale    !Stale    pending   !Ended
accept-other      !Stale    !Stale    !Stale    !Stale    !Stale    !Stale    !Stale    !Stale    !Stale    !Stale    !Ended
run-last          !Stale    running   running   !Back     !Back     !Back     !Back     !Stale    !Stale    running   !Ended
run-other         !Stale    !Stale    !Stale    !Stale    !Stale    !Stale    !Stale    !Stale    !Stale    !Stale    !Ended
fail-last         !Stale    failed    failed    failed    !Back     !Back     !Back     !Stale    !Stale    failed    !Ended
cancel-last       !Stale    cancelled cancelled cancelled !Back     !Back     !Back     !Stale    !Stale    cancelled !Ended
pass-last         !Stale    passed    passed    passed    !Back     !Back     !Back     !Stale    !Stale    passed    !Ended
deploy-last       !Stale    waiting   waiting   waiting   !Back     !Back     !Back     !Stale    !Stale    waiting   !Ended
deploy-other      !Stale    !Stale    !Stale    !Stale    !Stale    !Stale    !Stale    !Stale    !Stale    !Stale    !Ended
requeue           !Wrong    !Wrong    !Wrong    !Wrong    requeued  requeued  !Wrong    !Wrong    !Wrong    !Wrong    !Ended
ask-to-cancel     queued    planned   pending   running   failed    cancelled passed    waiting   requeued  second    !Ended
end-passed        !Wrong    !Wrong    !Wrong    !Wrong    !Wrong    !Wrong    ended     !Wrong    !Wrong    !Wrong    !Ended
end-failed        ended     !Wrong    !Wrong    !Wrong    ended     ended     ended     ended     ended     !Wrong    !Ended
end-cancelled     ended     !Wrong    !Wrong    !Wrong    ended     ended     ended     ended     ended     !Wrong    !Ended
end-deployed      !Activate !Activate !Activate !Activate !Activate !Activate !Activate !Activate !Activate !Activate !Ended
end-superseded    !Activate !Activate !Activate !Activate !Activate !Activate !Activate !Activate !Activate !Activate !Ended
activate-last     !Wrong    !Wrong    !Wrong    !Wrong    !Wrong    !Wrong    !Wrong    ended     !Wrong    !Wrong    !Ended
activate-other    !Wrong    !Wrong    !Wrong    !Wrong    !Wrong    !Wrong    !Wrong    !Stale    !Wrong    !Wrong    !Ended
supersede-last    !Wrong    !Wrong    !Wrong    !Wrong    !Wrong    !Wrong    !Wrong    ended     !Wrong    !Wrong    !Ended
";

#[test]
fn every_change_in_every_state_has_its_answer() {
    let mut lines = TABLE.trim().lines().map(|line| line.split_whitespace());
    let states: Vec<&str> = lines.next().unwrap().skip(1).collect();
    for mut cells in lines {
        let change = cells.next().unwrap();
        for (state, expected) in states.iter().zip(cells).filter(|(_, expected)| *expected != "-") {
            let before = in_state(state);
            assert_eq!(name(&before), *state, "the test makes each state as it is called");
            let mut record = before.clone();
            match act(&mut record, change) {
                Ok(()) => assert_eq!(name(&record), expected, "{change} when {state}"),
                Err(problem) => {
                    assert_eq!(refusal(problem), expected, "{change} when {state}");
                    assert_eq!(record, before, "{change}, refused when {state}, left the record as it was");
                }
            }
        }
    }
}

/// A record that came into a state by legal changes.
fn in_state(state: &str) -> BuildRecord {
    let way: &[&str] = match state {
        "queued" => &[],
        "planned" => &["plan-next"],
        "pending" => &["plan-next", "accept-last"],
        "running" => &["plan-next", "accept-last", "run-last"],
        "failed" => &["plan-next", "fail-last"],
        "cancelled" => &["plan-next", "cancel-last"],
        "passed" => &["plan-next", "pass-last"],
        "waiting" => &["plan-next", "deploy-last"],
        "requeued" => &["plan-next", "fail-last", "requeue"],
        "second" => &["plan-next", "fail-last", "requeue", "plan-next"],
        "ended" => &["plan-next", "fail-last", "end-failed"],
        other => panic!("there is no state {other}"),
    };
    let mut record = admitted();
    way.iter().for_each(|change| act(&mut record, change).expect("the way into a state is legal"));
    record
}

fn name(record: &BuildRecord) -> &'static str {
    match (&record.state, record.attempts.last().map(|last| &last.state)) {
        (BuildState::Queued { .. }, None) => "queued",
        (BuildState::Queued { .. }, Some(_)) => "requeued",
        (BuildState::Live { .. }, Some(AttemptState::Planned)) if record.attempts.len() == 2 => "second",
        (BuildState::Live { .. }, Some(AttemptState::Planned)) => "planned",
        (BuildState::Live { .. }, Some(AttemptState::Pending { .. })) => "pending",
        (BuildState::Live { .. }, Some(AttemptState::Running { .. })) => "running",
        (BuildState::Live { .. }, Some(AttemptState::Settled { report, .. })) => match report.outcome {
            Outcome::Succeeded { .. } => "passed",
            Outcome::Failed(_) => "failed",
            Outcome::Cancelled => "cancelled",
        },
        (BuildState::Live { .. }, None) => "live without an attempt",
        (BuildState::Activating { .. }, _) => "waiting",
        (BuildState::Ended { .. }, _) => "ended",
    }
}

fn refusal(problem: IllegalChangeKind) -> &'static str {
    match problem {
        IllegalChangeKind::BuildEnded => "!Ended",
        IllegalChangeKind::StaleAttempt => "!Stale",
        IllegalChangeKind::NotNext => "!NotNext",
        IllegalChangeKind::Backwards => "!Back",
        IllegalChangeKind::NeedsActivation => "!Activate",
        IllegalChangeKind::WrongState => "!Wrong",
        IllegalChangeKind::UnknownBuild => "!Unknown",
        _ => "!another refusal",
    }
}

/// Carries out what a row of the table is called after.
fn act(record: &mut BuildRecord, row: &str) -> Result<(), IllegalChangeKind> {
    let count = record.attempts.len() as u32;
    let last = AttemptNumber::new(count);
    let other = AttemptNumber::new(if count == 2 { 1 } else { count + 1 });
    match row {
        "activate-last" => return record.activated(last, None, AT).map_err(|illegal| illegal.problem),
        "activate-other" => return record.activated(other, None, AT).map_err(|illegal| illegal.problem),
        "supersede-last" => return record.activated(last, Some(Rank(9)), AT).map_err(|illegal| illegal.problem),
        _ => {}
    }
    let (last, other) = (key().attempt(last), key().attempt(other));
    let end = |ending| Change::Ended { build: key(), ending, at: AT };
    let change = match row {
        "plan-next" => planned(&key().attempt(AttemptNumber::new(count + 1)), "process", AT),
        "plan-last" => planned(&last, "process", AT),
        "plan-too-high" => planned(&key().attempt(AttemptNumber::new(count + 2)), "process", AT),
        "accept-last" => Change::Accepted { attempt: last, host: None, at: AT },
        "accept-other" => Change::Accepted { attempt: other, host: None, at: AT },
        "run-last" => Change::Running { attempt: last, at: AT },
        "run-other" => Change::Running { attempt: other, at: AT },
        "fail-last" => settled(&last, failed(Cause::Lost), AT),
        "cancel-last" => settled(&last, Report::of(Outcome::Cancelled), AT),
        "pass-last" => settled(&last, succeeded(None), AT),
        "deploy-last" => settled(&last, succeeded(Some(deploy(1))), AT),
        "deploy-other" => settled(&other, succeeded(Some(deploy(1))), AT),
        "requeue" => requeued(&key(), AT),
        "ask-to-cancel" => Change::CancelAsked { build: key(), reason: CancelReason::User, at: AT },
        "end-passed" => end(Ending::Passed),
        "end-failed" => end(Ending::from(Cause::Lost)),
        "end-cancelled" => end(Ending::Cancelled { reason: CancelReason::User }),
        "end-deployed" => end(Ending::Deployed { deploy: deploy(1) }),
        "end-superseded" => end(Ending::Superseded { deploy: deploy(1), by: Rank(9) }),
        other => panic!("there is no change {other}"),
    };
    record.apply(&change).map_err(|illegal| illegal.problem)
}

#[test]
fn a_change_of_another_build_is_refused_and_named() {
    for other in [build("globex", "site", 1), build("acme", "blog", 1), build("acme", "site", 2)] {
        let mut record = admitted();
        let change = planned(&other.key().attempt(AttemptNumber::FIRST), "process", AT);
        let illegal = record.apply(&change).unwrap_err();
        assert_eq!((illegal.build, illegal.problem), (other.key(), IllegalChangeKind::UnknownBuild));
        assert_eq!(record, admitted());
    }
}

#[test]
fn the_first_cancel_is_the_one_that_is_kept() {
    let mut record = admitted();
    for (reason, millis) in [(CancelReason::Superseded, 5), (CancelReason::User, 6)] {
        let at = Timestamp::from_millis(millis);
        record.apply(&Change::CancelAsked { build: key(), reason, at }).unwrap();
    }
    assert_eq!(record.cancel_asked, Some((CancelReason::Superseded, Timestamp::from_millis(5))));
}

/// Something that may happen to a record, sensible or not.
#[derive(Clone, Debug)]
enum Step {
    Apply(Change),
    Activate { number: AttemptNumber, newer: Option<Rank> },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 0..40)
}

fn step() -> impl Strategy<Value = Step> {
    let attempt = || prop_oneof![4 => Just(1), 3 => Just(2), 2 => Just(3), 1 => Just(4)].prop_map(AttemptNumber::new);
    let at = || (0..100u64).prop_map(Timestamp::from_millis);
    let of = |number| key().attempt(number);
    let change = prop_oneof![
        6 => (attempt(), at()).prop_map(move |(number, at)| Change::Planned { attempt: of(number), route: route("k8s"), at }),
        2 => (attempt(), at()).prop_map(move |(number, at)| Change::Accepted { attempt: of(number), host: None, at }),
        2 => (attempt(), at()).prop_map(move |(number, at)| Change::Running { attempt: of(number), at }),
        4 => (attempt(), report(), at()).prop_map(move |(number, report, at)| settled(&of(number), report, at)),
        4 => at().prop_map(|at| requeued(&key(), at)),
        1 => at().prop_map(|at| Change::CancelAsked { build: key(), reason: CancelReason::User, at }),
        1 => (ending(), at()).prop_map(|(ending, at)| Change::Ended { build: key(), ending, at }),
    ];
    let newer = prop::option::of((2..9u64).prop_map(Rank));
    prop_oneof![
        10 => change.prop_map(Step::Apply),
        1 => (attempt(), newer).prop_map(|(number, newer)| Step::Activate { number, newer }),
    ]
}

fn report() -> impl Strategy<Value = Report> {
    prop_oneof![
        4 => Just(failed(Cause::Lost)),
        1 => Just(Report::of(Outcome::Cancelled)),
        1 => Just(succeeded(None)),
        1 => (0..3u64).prop_map(|n| succeeded(Some(deploy(n)))),
    ]
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        Just(Ending::Passed),
        Just(Ending::from(Cause::QueueTimeout)),
        Just(Ending::Cancelled { reason: CancelReason::User }),
        Just(Ending::Deployed { deploy: deploy(0) }),
        Just(Ending::Superseded { deploy: deploy(0), by: Rank(9) }),
    ]
}

proptest! {
    #[test]
    fn no_sequence_of_changes_makes_a_record_inconsistent(steps in steps()) {
        let mut record = admitted();
        for step in steps {
            let before = record.clone();
            let answer = match &step {
                Step::Apply(change) => record.apply(change),
                Step::Activate { number, newer } => record.activated(*number, *newer, AT),
            };
            if answer.is_err() {
                prop_assert_eq!(&record, &before, "refused, {:?} left the record as it was", step);
            }
            is_consistent(&record)?;
            follows(&before, &record)?;
            let json = serde_json::to_string(&record).unwrap();
            prop_assert_eq!(&serde_json::from_str::<BuildRecord>(&json).unwrap(), &record, "it reads back");
        }
    }
}

/// What holds for every record.
fn is_consistent(record: &BuildRecord) -> Result<(), TestCaseError> {
    let numbers: Vec<u32> = record.attempts.iter().map(|attempt| attempt.number.get()).collect();
    prop_assert_eq!(&numbers, &(1..=numbers.len() as u32).collect::<Vec<_>>(), "attempts are numbered from 1");
    let live = record.attempts.iter().filter(|attempt| attempt.state.outcome().is_none());
    let live: Vec<AttemptNumber> = live.map(|attempt| attempt.number).collect();
    prop_assert!(live.len() <= 1, "at most one attempt lives: {:?}", live);
    prop_assert_eq!(record.live_attempt().map(|attempt| attempt.number), live.first().copied());
    let made = match record.attempts.last().and_then(|last| last.state.outcome()) {
        Some(Outcome::Succeeded { deploy }) => Some(deploy.as_ref()),
        _ => None,
    };
    match &record.state {
        BuildState::Live { attempt } => {
            prop_assert_eq!(Some(*attempt), record.attempts.last().map(|last| last.number));
        }
        BuildState::Activating { attempt, deploy } => {
            prop_assert_eq!(Some(*attempt), record.attempts.last().map(|last| last.number));
            prop_assert_eq!(made, Some(Some(deploy)), "what waits was made by the last attempt");
        }
        BuildState::Queued { .. } => prop_assert!(live.is_empty() && made.is_none(), "a queued build needs an attempt"),
        BuildState::Ended { ending, .. } => {
            prop_assert!(live.is_empty(), "nothing lives after the end");
            match ending {
                Ending::Deployed { deploy } | Ending::Superseded { deploy, .. } => {
                    prop_assert_eq!(made, Some(Some(deploy)), "success needs positive evidence");
                }
                Ending::Passed => prop_assert_eq!(made, Some(None), "success needs positive evidence"),
                Ending::Failed { .. } | Ending::Cancelled { .. } => {}
            }
        }
    }
    Ok(())
}

/// What holds between a record and the one that a change made of it.
fn follows(before: &BuildRecord, after: &BuildRecord) -> Result<(), TestCaseError> {
    if matches!(before.state, BuildState::Ended { .. }) {
        prop_assert_eq!(before, after, "ended stays ended");
    }
    if before.cancel_asked.is_some() {
        prop_assert_eq!(&before.cancel_asked, &after.cancel_asked, "a cancel stays asked");
    }
    let grown = after.attempts.len() - before.attempts.len();
    prop_assert!(grown <= 1, "attempts come one by one");
    for (old, new) in before.attempts.iter().zip(&after.attempts) {
        prop_assert!(stage(&old.state) <= stage(&new.state), "an attempt never moves back");
        if old.state.outcome().is_some() {
            prop_assert_eq!(old, new, "a settled attempt stays as it is");
        }
    }
    Ok(())
}

fn stage(state: &AttemptState) -> u8 {
    match state {
        AttemptState::Planned => 0,
        AttemptState::Pending { .. } => 1,
        AttemptState::Running { .. } => 2,
        AttemptState::Settled { .. } => 3,
    }
}
