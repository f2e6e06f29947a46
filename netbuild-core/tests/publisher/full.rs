//! A queue with little room.

use std::sync::Arc;
use std::time::Duration;

use netbuild_core::breaker::BreakerState;
use netbuild_core::model::Timestamp;
use netbuild_core::port::{Clock, Queue, Receipt};
use netbuild_core::testkit::TokioClock;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::broker::{Broker, World};

#[tokio::test(start_paused = true)]
async fn a_batch_that_never_fits_is_sent_in_parts_and_the_breaker_stays_closed() {
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::new(Timestamp::from_millis(1_000_000)));
    // Half a batch: a whole one is refused however empty the queue is.
    let broker = Broker::with_room(5, clock.clone());
    let world = World::with("api", broker.clone(), clock);
    world.record(1..=200).await;
    let mut publishing = JoinSet::new();
    let publisher = world.publisher.clone();
    publishing.spawn(async move { publisher.run(CancellationToken::new()).await });
    let mut received = Vec::new();
    for _ in 0..600 {
        let deliveries = broker.receive(100, Duration::ZERO).await.unwrap();
        let receipts: Vec<Receipt> = deliveries.iter().map(|delivery| delivery.receipt.clone()).collect();
        broker.ack(&receipts).await.unwrap();
        received.extend(deliveries.iter().map(|delivery| delivery.message.place.seq));
        assert_eq!(world.publisher.status().await.unwrap().breaker, BreakerState::Closed, "it is there, only full");
        sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(received, (1..=200).collect::<Vec<_>>());
}
