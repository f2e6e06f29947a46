//! What the story is about: a broker that goes away and comes back.

use std::sync::Arc;
use std::time::Duration;

use netbuild_core::breaker::BreakerState;
use netbuild_core::intake::PublishError;
use netbuild_core::port::{Outbox, QueueError};
use netbuild_core::testkit::fixtures::{build, event};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::broker::{Arrived, DEADLINE, RATE, Way, World};

fn seqs(arrived: &[Arrived]) -> Vec<u64> {
    arrived.iter().flat_map(|arrived| arrived.seqs.clone()).collect()
}

/// The publisher's loop, until it is dropped.
fn run(world: &World) -> JoinSet<()> {
    let mut task = JoinSet::new();
    let publisher = Arc::clone(&world.publisher);
    task.spawn(async move { publisher.run(CancellationToken::new()).await });
    task
}

#[tokio::test(start_paused = true)]
async fn in_calm_times_a_recorded_event_is_published_at_once() {
    let world = World::new();
    let _running = run(&world);
    sleep(Duration::from_secs(3)).await;
    let start = Instant::now();
    let events: Vec<_> = (1..=25).map(|n| event(build("acme", "site", n))).collect();
    assert!(world.publisher.record(&events).await.unwrap().iter().all(|recorded| recorded.fresh));
    sleep(Duration::from_millis(1)).await;
    let arrived = world.broker.arrived();
    assert_eq!(seqs(&arrived), (1..=25).collect::<Vec<_>>());
    assert!(arrived.iter().all(|arrived| arrived.at - start <= Duration::from_millis(1)), "nothing is paced");
    let status = world.publisher.status().await.unwrap();
    assert_eq!((status.backlog.count, status.draining), (0, false));
    assert_eq!((status.counts.published, status.counts.drained), (25, 0));
}

#[tokio::test(start_paused = true)]
async fn while_the_broker_is_away_all_stays_pending_and_then_drains_in_order_with_new_events_behind() {
    let world = World::new();
    let _running = run(&world);
    sleep(Duration::from_secs(3)).await;
    world.record(1..=5).await;
    world.publisher.wake();
    sleep(Duration::from_secs(1)).await;
    world.broker.be(Way::Down);
    world.record(6..=100).await;
    sleep(Duration::from_secs(600)).await;
    let status = world.publisher.status().await.unwrap();
    assert_ne!(status.breaker, BreakerState::Closed);
    assert_eq!((status.backlog.count, status.draining), (95, true));
    assert!(status.oldest_age.unwrap() >= Duration::from_secs(600));
    assert_eq!(status.counts.unknown, 0);
    let tries = world.broker.arrived().len();
    assert!(tries < 100, "{tries} tries in ten minutes: an open breaker leaves the broker alone");

    world.broker.be(Way::Up);
    world.record(101..=110).await;
    sleep(Duration::from_secs(120)).await;
    let arrived = world.broker.arrived();
    let confirmed = seqs(&arrived);
    assert_eq!(confirmed, (6..=110).collect::<Vec<_>>(), "oldest first, each once, new ones behind");
    assert_eq!(arrived[0].seqs, [6], "the probe is the oldest message alone");
    let took = arrived.last().unwrap().at - arrived[0].at;
    assert!(took >= Duration::from_secs(1) * 95 / RATE, "{took:?}: the backlog is paced");
    assert_eq!(world.broker.stored().await, (1..=110).collect::<Vec<_>>());

    let status = world.publisher.status().await.unwrap();
    assert_eq!(status.breaker, BreakerState::Closed);
    assert_eq!((status.backlog.count, status.oldest_age, status.draining), (0, None, false));
    assert_eq!((status.counts.published, status.counts.drained), (110, 105));
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_reaches_nobody() {
    let world = World::new();
    world.record(1..=3).await;
    world.broker.be(Way::Down);
    let refused = loop {
        if let Err(PublishError::Queue(QueueError::Paused { retry_after })) = world.publisher.publish_pending().await {
            break retry_after;
        }
    };
    world.broker.arrived();
    assert!(refused > Duration::ZERO);
    for _ in 0..100 {
        let error = world.publisher.publish_pending().await.unwrap_err();
        assert!(matches!(error, PublishError::Queue(QueueError::Paused { .. })), "{error:?}");
    }
    assert_eq!(world.broker.arrived().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn it_stops_at_the_first_failure_and_begins_again_there() {
    let world = World::new();
    world.publisher.publish_pending().await.unwrap();
    world.record(1..=10).await;
    world.publisher.publish_pending().await.unwrap();
    world.broker.be(Way::Down);
    world.record(11..=40).await;
    world.publisher.publish_pending().await.unwrap_err();
    world.broker.be(Way::Up);
    world.publisher.publish_pending().await.unwrap();
    let arrived: Vec<Vec<u64>> = world.broker.arrived().into_iter().map(|arrived| arrived.seqs).collect();
    let tens = |first: u64| (first..first + 10).collect::<Vec<_>>();
    assert_eq!(arrived, [tens(1), tens(11), tens(11), tens(21), tens(31)]);
    assert_eq!(world.broker.stored().await, (1..=40).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_publish_without_an_answer_is_repeated_with_the_same_ids() {
    for (way, stored_twice) in [(Way::Mute, true), (Way::Hung, false)] {
        let world = World::new();
        world.record(1..=3).await;
        world.broker.be(way);
        let start = Instant::now();
        let error = world.publisher.publish_pending().await.unwrap_err();
        assert!(matches!(error, PublishError::Queue(QueueError::Unknown(_))), "{way:?}: {error:?}");
        assert_eq!(start.elapsed(), DEADLINE, "{way:?}");
        assert_eq!(world.outbox.backlog().await.unwrap().count, 3, "{way:?}: what was not confirmed is pending");
        world.broker.be(Way::Up);
        assert_eq!(world.publisher.publish_pending().await.unwrap(), 3);
        let expected = if stored_twice { vec![1, 2, 3, 1, 2, 3] } else { vec![1, 2, 3] };
        assert_eq!(world.broker.stored().await, expected, "{way:?}: the same messages, for the other side to know");
        let counts = world.publisher.status().await.unwrap().counts;
        assert_eq!((counts.failed, counts.unknown), (1, 1), "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_finds_what_is_pending_and_paces_it() {
    let mut world = World::new();
    world.broker.be(Way::Down);
    world.record(1..=50).await;
    world.publisher.publish_pending().await.unwrap_err();
    world.restart();
    world.broker.arrived();
    world.broker.be(Way::Up);
    let start = Instant::now();
    assert_eq!(world.publisher.publish_pending().await.unwrap(), 50);
    assert!(start.elapsed() >= Duration::from_secs(1) * 40 / RATE, "{:?}", start.elapsed());
    assert_eq!(seqs(&world.broker.arrived()), (1..=50).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn wakes_do_not_turn_an_outage_into_a_busy_loop() {
    let world = World::new();
    world.broker.be(Way::Down);
    world.record(1..=3).await;
    let _running = run(&world);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        world.publisher.wake();
        sleep(Duration::from_millis(10)).await;
    }
    let tries = world.broker.arrived().len();
    assert!((2..=60).contains(&tries), "{tries} tries in a minute, and 6,000 wakes");
}
