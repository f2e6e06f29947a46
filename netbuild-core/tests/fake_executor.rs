//! The fake executor does what a test says.

use std::time::Duration;

use futures_util::StreamExt;
use netbuild_core::model::{AttemptId, AttemptNumber, Cause, Failure, Outcome, Report, Timestamp};
use netbuild_core::port::{
    Clock, Executor, ExecutorError, ExecutorEvent, Observed, Phase, StartError, StartRequest, Started,
};
use netbuild_core::testkit::conformance::executor::{TestCommand, request};
use netbuild_core::testkit::{
    CallFault, FakeCall, FakeCallKind, FakeExecutor, LiveAttempts, Play, StartFault, TokioClock, deploy_of, fixtures,
};

fn attempt(n: u64, number: u32) -> AttemptId {
    fixtures::build("acme", "site", n).key().attempt(AttemptNumber::new(number))
}

fn start(n: u64, number: u32) -> StartRequest {
    request(&attempt(n, number), TestCommand::Succeed)
}

fn clock() -> TokioClock {
    TokioClock::new(Timestamp::from_millis(1_000_000))
}

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test(start_paused = true)]
async fn an_hour_takes_no_time_and_every_phase_is_told_with_its_time() {
    let clock = clock();
    let (executor, handle) = FakeExecutor::new(clock, |_| Play::succeeds_after(HOUR).pending_for(HOUR));
    let events = executor.events().await.unwrap();
    executor.start(&start(1, 1)).await.unwrap();
    let told: Vec<_> = events.take(4).collect().await;
    let phase = |event: &ExecutorEvent| match event {
        ExecutorEvent::Observed(Observed { phase, .. }) => Some(phase.clone()),
        ExecutorEvent::Gap => None,
    };
    assert_eq!(phase(&told[0]), None);
    assert_eq!(phase(&told[1]), Some(Phase::Pending { waits_for: String::new() }));
    assert_eq!(phase(&told[2]), Some(Phase::Running { since: Timestamp::from_millis(1_000_000) + HOUR }));
    assert_eq!(phase(&told[3]), handle.phase(&attempt(1, 1)));
    assert_eq!(clock.monotonic(), HOUR * 2);
}

#[tokio::test(start_paused = true)]
async fn the_default_script_deploys_after_the_time_of_the_attempt() {
    let (executor, handle) =
        FakeExecutor::succeeding(clock(), |attempt| Duration::from_secs(attempt.number.get().into()));
    executor.start(&start(1, 2)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_999)).await;
    assert!(matches!(handle.phase(&attempt(1, 2)), Some(Phase::Running { .. })));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let Some(Phase::Ended { report }) = handle.phase(&attempt(1, 2)) else { panic!("ended") };
    assert_eq!(report.outcome, Outcome::Succeeded { deploy: Some(deploy_of(&attempt(1, 2))) });
    assert_ne!(deploy_of(&attempt(1, 1)), deploy_of(&attempt(1, 2)));
}

#[tokio::test(start_paused = true)]
async fn starts_fail_as_they_are_told_once_each() {
    let (executor, handle) = FakeExecutor::new(clock(), |_| Play::runs_on());
    let failure = Failure::new(Cause::ExecutorRefused, "no");
    for fault in [
        StartFault::Full,
        StartFault::Refused(failure.clone()),
        StartFault::Unavailable,
        StartFault::UnknownNotStarted,
        StartFault::UnknownStarted,
    ] {
        handle.fail_start(fault);
    }
    assert!(matches!(executor.start(&start(1, 1)).await, Err(StartError::Full)));
    assert!(matches!(executor.start(&start(1, 1)).await, Err(StartError::Refused(told)) if told == failure));
    assert!(matches!(executor.start(&start(1, 1)).await, Err(StartError::Unavailable(_))));
    assert!(matches!(executor.start(&start(1, 1)).await, Err(StartError::Unknown(_))));
    assert!(handle.alive().is_empty());
    assert!(matches!(executor.start(&start(1, 1)).await, Err(StartError::Unknown(_))));
    assert_eq!(handle.alive(), [attempt(1, 1)]);
    assert!(matches!(executor.start(&start(1, 1)).await, Ok(Started::Adopted { .. })));
    assert_eq!(handle.calls(), vec![FakeCall::Start(attempt(1, 1)); 6]);
}

#[tokio::test(start_paused = true)]
async fn other_calls_fail_with_and_without_their_effect() {
    let (executor, handle) = FakeExecutor::new(clock(), |_| Play::runs_on());
    executor.start(&start(1, 1)).await.unwrap();
    handle.fail(FakeCallKind::Cancel, CallFault::UnknownNotDone);
    handle.fail(FakeCallKind::Cancel, CallFault::UnknownDone);
    handle.fail(FakeCallKind::List, CallFault::Unavailable);
    assert!(matches!(executor.cancel(&attempt(1, 1), HOUR).await, Err(ExecutorError::Unknown(_))));
    assert_eq!(handle.alive().len(), 1);
    assert!(matches!(executor.cancel(&attempt(1, 1), HOUR).await, Err(ExecutorError::Unknown(_))));
    assert_eq!(handle.alive().len(), 0);
    assert!(matches!(executor.list().await, Err(ExecutorError::Unavailable(_))));
    assert!(executor.list().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_has_its_effect_only_once_its_work_was_due() {
    let (executor, handle) = FakeExecutor::new(clock(), |_| Play::runs_on());
    let second = Duration::from_secs(1);
    handle.delay(FakeCallKind::Start, HOUR, Duration::ZERO);
    assert!(tokio::time::timeout(second, executor.start(&start(1, 1))).await.is_err());
    assert!(handle.alive().is_empty());
    handle.delay(FakeCallKind::Start, Duration::ZERO, HOUR);
    assert!(tokio::time::timeout(second, executor.start(&start(1, 1))).await.is_err());
    assert_eq!(handle.alive(), [attempt(1, 1)]);
}

#[tokio::test(start_paused = true)]
async fn attempts_are_moved_by_hand() {
    let (executor, handle) = FakeExecutor::new(clock(), |_| Play::by_hand());
    let started = async {
        handle.started(&attempt(1, 1)).await;
        handle.set_pending(&attempt(1, 1), "image pull");
    };
    let request = start(1, 1);
    let (_, answer) = tokio::join!(started, executor.start(&request));
    answer.unwrap();
    tokio::time::sleep(HOUR).await;
    assert_eq!(handle.phase(&attempt(1, 1)), Some(Phase::Pending { waits_for: "image pull".to_owned() }));
    handle.set_running(&attempt(1, 1));
    handle.append_log(&attempt(1, 1), b"one\n");
    assert_eq!(&executor.logs(&attempt(1, 1), 1, 9).await.unwrap().bytes[..], b"ne\n");
    handle.set_unknown(&attempt(1, 1));
    assert!(matches!(executor.start(&start(1, 2)).await, Err(StartError::NameTaken { .. })));
    handle.end(&attempt(1, 1), Report::of(Outcome::Cancelled));
    let Some(Phase::Ended { report }) = handle.phase(&attempt(1, 1)) else { panic!("ended") };
    assert_eq!((report.outcome, report.log_bytes), (Outcome::Cancelled, 4));
    executor.start(&start(1, 2)).await.unwrap();
    handle.vanish(&attempt(1, 2));
    assert!(executor.list().await.unwrap().attempts.is_empty());
}

#[tokio::test(start_paused = true)]
async fn lists_and_events_lose_what_they_are_told_to_lose() {
    let (executor, handle) = FakeExecutor::new(clock(), |_| Play::succeeds_after(HOUR));
    let mut events = executor.events().await.unwrap();
    assert_eq!(events.next().await, Some(ExecutorEvent::Gap));
    handle.drop_events(true);
    executor.start(&start(1, 1)).await.unwrap();
    handle.drop_events(false);
    handle.gap();
    assert_eq!(events.next().await, Some(ExecutorEvent::Gap), "what came before was dropped");
    handle.hide(&attempt(1, 1), true);
    handle.set_lists_complete(false);
    let listing = executor.list().await.unwrap();
    assert!(listing.attempts.is_empty() && !listing.complete);
    handle.hide(&attempt(1, 1), false);
    assert_eq!(executor.list().await.unwrap().attempts.len(), 1);
    handle.end_streams();
    assert_eq!(events.next().await, None);
    assert_eq!(executor.events().await.unwrap().next().await, Some(ExecutorEvent::Gap), "a new stream goes on");
}

#[tokio::test(start_paused = true)]
async fn slots_are_counted_and_the_most_is_kept() {
    let (executor, handle) = FakeExecutor::new(clock(), |_| Play::succeeds_after(HOUR));
    handle.set_slots(Some(2));
    for n in 1..=2 {
        executor.start(&start(n, 1)).await.unwrap();
    }
    assert!(matches!(executor.start(&start(3, 1)).await, Err(StartError::Full)));
    tokio::time::sleep(HOUR).await;
    executor.start(&start(3, 1)).await.unwrap();
    assert_eq!((handle.alive().len(), handle.most_alive()), (1, 2));
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "two live attempts of a build")]
async fn a_second_live_attempt_on_another_executor_is_found() {
    let live = LiveAttempts::new();
    let (first, handle) = FakeExecutor::new(clock(), |_| Play::runs_on());
    handle.share(&live);
    let (second, other) = FakeExecutor::new(clock(), |_| Play::runs_on());
    other.share(&live);
    first.start(&start(1, 1)).await.unwrap();
    first.cancel(&attempt(1, 1), HOUR).await.unwrap();
    second.start(&start(1, 2)).await.unwrap();
    first.start(&start(2, 1)).await.unwrap();
    let _panics = first.start(&start(1, 3)).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "a build has one name of its own")]
async fn a_build_under_two_names_is_found() {
    let (executor, _handle) = FakeExecutor::new(clock(), |_| Play::runs_on());
    executor.start(&start(1, 1)).await.unwrap();
    let mut renamed = start(1, 2);
    renamed.name = start(2, 1).name;
    let _panics = executor.start(&renamed).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "the job is of build")]
async fn a_job_of_another_build_is_found() {
    let (executor, _handle) = FakeExecutor::new(clock(), |_| Play::runs_on());
    let mut mixed = start(1, 1);
    mixed.job = start(2, 1).job;
    let _panics = executor.start(&mixed).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "has no live attempt")]
async fn a_test_that_moves_what_is_not_there_is_wrong() {
    let (_executor, handle) = FakeExecutor::new(clock(), |_| Play::runs_on());
    handle.set_running(&attempt(1, 1));
}
