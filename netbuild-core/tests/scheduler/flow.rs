//! Builds on their way, in good and bad weather.

use std::time::Duration;

use netbuild_core::model::{BuildKey, CancelReason, Cause, Ending, Outcome, RunPhase};
use netbuild_core::port::{AttemptControl, Executor, Heartbeat, Order, Outbox, Queue};
use netbuild_core::scheduler::CancelAnswer;
use netbuild_core::testkit::{Play, StartFault, deploy_of, fixtures};

use crate::world::{RUN, World, all_deployed, deploys, first};

#[tokio::test(start_paused = true)]
async fn builds_go_from_the_outbox_to_a_deploy() {
    let world = World::new(deploys);
    let (_, scheduler) = world.scheduler("one");
    let keys = world.submit(1..8).await;
    let endings = world.ended(&keys).await;
    assert!(all_deployed(&endings), "{endings:?}");
    scheduler.stop().await;
    assert_eq!(world.executor.list().await.unwrap().attempts, [], "every attempt is removed");
    assert_eq!(world.attempts.most_alive(), 2, "both slots were used, and no more");
    assert_eq!(world.queue.depth().await.unwrap().unacked, 0);
    assert_eq!(world.starts(), keys.iter().map(first).collect::<Vec<_>>(), "each once, in order");
}

#[tokio::test(start_paused = true)]
async fn lists_find_what_events_did_not_tell() {
    let world = World::new(deploys);
    world.attempts.drop_events(true);
    let (_, scheduler) = world.scheduler("one");
    let keys = world.submit(1..4).await;
    assert!(all_deployed(&world.ended(&keys).await));
    scheduler.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_without_an_answer_is_asked_again_and_runs_once() {
    let world = World::new(deploys);
    world.attempts.fail_start(StartFault::UnknownStarted);
    world.attempts.fail_start(StartFault::UnknownNotStarted);
    let (_, scheduler) = world.scheduler("one");
    let keys = world.submit(1..3).await;
    assert!(all_deployed(&world.ended(&keys).await));
    for key in &keys {
        assert_eq!(world.record(key).await.attempts.len(), 1, "a timeout is not a no");
    }
    scheduler.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_vanished_attempt_is_lost_and_another_one_deploys() {
    let world = World::new(deploys);
    let (_, scheduler) = world.scheduler("one");
    let keys = world.submit(1..2).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.attempts.vanish(&first(&keys[0]));
    assert!(all_deployed(&world.ended(&keys).await));
    let record = world.record(&keys[0]).await;
    assert_eq!(record.attempts[0].state.outcome().map(Outcome::label), Some("lost"));
    assert_eq!(record.attempts.len(), 2);
    scheduler.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_crashed_scheduler_is_followed_and_its_attempts_are_adopted() {
    let world = World::new(deploys);
    let (_, one) = world.scheduler("one");
    let keys = world.submit(1..4).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    one.crash().await;
    let (_, two) = world.scheduler("two");
    assert!(all_deployed(&world.ended(&keys).await));
    assert_eq!(world.starts().len(), 3, "nothing ran twice");
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn infrastructure_is_retried_and_a_customers_failure_is_not() {
    let world = World::new(|request| match request.job.attempt.number.get() {
        1 => Play::fails_after(RUN, Cause::Evicted),
        _ => Play::fails_after(RUN, Cause::CommandFailed { code: 3 }),
    });
    let (_, scheduler) = world.scheduler("one");
    let keys = world.submit(1..2).await;
    let endings = world.ended(&keys).await;
    assert!(matches!(&endings[0], Ending::Failed { failure } if failure.cause == Cause::CommandFailed { code: 3 }));
    assert_eq!(world.record(&keys[0]).await.attempts.len(), 2);
    scheduler.stop().await;
}

#[tokio::test(start_paused = true)]
async fn runners_are_told_to_go_on_or_to_stop_and_a_cancel_ends_the_build() {
    let world = World::new(deploys);
    let (handle, scheduler) = world.scheduler("one");
    let keys = world.submit(1..2).await;
    let attempt = first(&keys[0]);
    world.attempts.started(&attempt).await;
    let beat = Heartbeat { phase: RunPhase::Run };
    assert!(matches!(handle.heartbeat(&attempt, beat).await.unwrap(), Order::Continue { .. }));
    let stranger = BuildKey { account: fixtures::account("other"), ..keys[0].clone() };
    assert_eq!(handle.cancel(&stranger, CancelReason::User).await.unwrap(), CancelAnswer::TooLate);
    assert_eq!(handle.heartbeat(&first(&stranger), beat).await.unwrap(), Order::Stop);
    assert_eq!(handle.cancel(&keys[0], CancelReason::User).await.unwrap(), CancelAnswer::Asked);
    assert_eq!(handle.heartbeat(&attempt, beat).await.unwrap(), Order::Stop);
    assert_eq!(world.ended(&keys).await, [Ending::Cancelled { reason: CancelReason::User }]);
    scheduler.stop().await;
    assert!(handle.heartbeat(&attempt, beat).await.is_err(), "nobody leads any more");
}

#[tokio::test(start_paused = true)]
async fn a_report_settles_at_once_and_is_durable_when_answered() {
    let world = World::new(deploys);
    let (handle, scheduler) = world.scheduler("one");
    let keys = world.submit(1..2).await;
    let attempt = first(&keys[0]);
    world.attempts.started(&attempt).await;
    handle.report(&attempt, fixtures::succeeded(Some(deploy_of(&attempt)))).await.unwrap();
    assert!(world.record(&keys[0]).await.attempts[0].state.outcome().is_some());
    handle.report(&attempt, fixtures::failed(Cause::Lost)).await.unwrap();
    assert!(all_deployed(&world.ended(&keys).await), "a late report changes nothing");
    scheduler.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_schedulers_take_turns_and_a_shutdown_hands_over_at_once() {
    let world = World::new(deploys);
    let (_, one) = world.scheduler("one");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (second, two) = world.scheduler("two");
    let keys = world.submit(1..3).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(second.status().await.is_err(), "the first leads");
    one.stop().await;
    assert!(all_deployed(&world.ended(&keys).await));
    assert_eq!(second.status().await.unwrap().engine.live, 0);
    assert_eq!(world.starts().len(), 2, "nothing ran twice");
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_build_whose_secret_does_not_exist_fails_by_its_configuration() {
    let world = World::new(deploys);
    let (_, scheduler) = world.scheduler("one");
    let build = fixtures::build("acme", "site", 1);
    let keys = [build.key()];
    world.outbox.record(&[fixtures::event(build)]).await.unwrap();
    world.publisher.publish_pending().await.unwrap();
    let endings = world.ended(&keys).await;
    assert!(matches!(&endings[0], Ending::Failed { failure } if failure.cause == Cause::SecretMissing));
    assert_eq!(world.starts(), [], "nothing was started");
    scheduler.stop().await;
}
