//! Order at the door: judged at admit, kept through gaps.

use std::time::Duration;

use netbuild_core::engine::SequencerConfig;
use netbuild_core::port::{History, Message, Queue};
use netbuild_core::testkit::fixtures;

use crate::world::{World, deploys};

const GAP_WAIT: Duration = Duration::from_secs(90);

fn messages(seqs: impl IntoIterator<Item = u64>) -> Vec<Message> {
    seqs.into_iter().map(|n| fixtures::message("api", n, fixtures::build("acme", &format!("site-{n}"), n))).collect()
}

/// The seqs of what was admitted, by rank: a fixture's build has its seq as its number.
async fn admitted(world: &World, of: u64) -> Vec<u64> {
    let mut ranks = Vec::new();
    for message in messages(1..=of) {
        if let Some(record) = world.ledger.build(&message.build.key()).await.unwrap() {
            ranks.push((record.rank, message.place.seq));
        }
    }
    ranks.sort_unstable();
    ranks.into_iter().map(|(_, seq)| seq).collect()
}

fn sequencer(max_held: usize) -> SequencerConfig {
    SequencerConfig { gap_wait: GAP_WAIT, max_held }
}

#[tokio::test(start_paused = true)]
async fn a_gap_that_is_filled_in_time_costs_no_order_however_much_waits_behind_it() {
    let world = World::new(deploys);
    let (handle, running) = world.scheduler_with("one", world.executor.clone(), |config| {
        config.sequencer = sequencer(10);
        config.batch = 16;
    });
    world.queue.publish(&messages((2..=150).rev())).await.unwrap();
    tokio::time::sleep(GAP_WAIT / 2).await;
    assert_eq!(admitted(&world, 150).await, Vec::<u64>::new(), "all wait for the first");
    // Between two turns the bound holds, but for what one turn takes in.
    let held = handle.status().await.unwrap().held;
    assert!(held <= 10 + 16, "{held} wait in memory");
    world.queue.publish(&messages([1])).await.unwrap();
    // Each round of giving back takes 5 s and lets a page of what was given back in.
    tokio::time::sleep(GAP_WAIT * 4).await;
    assert_eq!(admitted(&world, 150).await, (1..=150).collect::<Vec<_>>());
    assert_eq!(handle.status().await.unwrap().gaps, 0);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_gap_that_nobody_fills_is_given_up_in_time_and_counted() {
    let world = World::new(deploys);
    let (handle, running) =
        world.scheduler_with("one", world.executor.clone(), |config| config.sequencer = sequencer(10));
    world.queue.publish(&messages(2..=4)).await.unwrap();
    tokio::time::sleep(GAP_WAIT + Duration::from_secs(1)).await;
    assert_eq!(admitted(&world, 4).await, [2, 3, 4]);
    world.queue.publish(&messages([1])).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(admitted(&world, 4).await, [2, 3, 4, 1], "what comes late is admitted all the same");
    assert_eq!(handle.status().await.unwrap().gaps, 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_gap_that_the_queue_fills_by_redelivery_is_waited_for_however_short_the_configured_wait() {
    let world = World::new(deploys);
    world.queue.publish(&messages(1..=3)).await.unwrap();
    // Somebody takes the first one along and is never heard of again.
    assert_eq!(world.queue.receive(1, Duration::ZERO).await.unwrap().len(), 1);
    let (handle, running) = world.scheduler_with("one", world.executor.clone(), |config| {
        config.sequencer = SequencerConfig { gap_wait: Duration::from_millis(1), max_held: 10 };
    });
    tokio::time::sleep(world.queue.capabilities().redelivery_after * 2).await;
    assert_eq!(admitted(&world, 3).await, [1, 2, 3]);
    assert_eq!(handle.status().await.unwrap().gaps, 0);
    running.stop().await;
}
