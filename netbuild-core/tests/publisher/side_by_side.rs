//! Several publishers, one broker.

use netbuild_core::port::Queue;
use std::time::Duration;

use crate::broker::{Way, World};

#[tokio::test(start_paused = true)]
async fn each_keeps_its_own_order_and_its_own_breaker() {
    let first = World::new();
    let worlds: Vec<World> =
        (1..=4).map(|n| World::with(&format!("api-{n}"), first.broker.clone(), first.clock.clone())).collect();
    for (n, world) in (0_u64..).zip(&worlds) {
        world.record(1_000 * n + 1..=1_000 * n + 40).await;
    }
    first.broker.be(Way::Down);
    for world in &worlds {
        world.publisher.publish_pending().await.unwrap_err();
    }
    first.broker.be(Way::Up);
    let sent: Vec<u64> = futures_util::future::join_all(
        worlds.iter().map(async |world| world.publisher.publish_pending().await.unwrap()),
    )
    .await;
    assert_eq!(sent, [40; 4]);
    let deliveries = first.broker.receive(usize::MAX, Duration::ZERO).await.unwrap();
    for n in 1..=4 {
        let name = format!("api-{n}");
        let own = deliveries.iter().filter(|delivery| delivery.message.place.publisher.as_str() == name);
        assert!(own.map(|delivery| delivery.message.place.seq).eq(1..=40), "{name}");
    }
}
