//! What a broken connection, a frozen and a killed server, and a full stream mean to a caller.

use std::time::Duration;

use netbuild_core::port::{DeadLetters, Effect, Queue, QueueError};
use netbuild_queue::ConnectionState;
use netbuild_queue::nats::NatsOptions;

use super::support::{Server, at_last, drain, messages, open, options, through};

#[tokio::test]
async fn a_frozen_server_costs_a_deadline_and_is_told() {
    let server = Server::start().await;
    let options = NatsOptions { call_deadline: Duration::from_secs(1), ..options("frozen") };
    let queue = open(&through(&server.proxy), options).await;
    let mut state = queue.connection();
    queue.publish(&messages("api", 1..=2)).await.unwrap();
    server.server.freeze();
    let answer = queue.publish(&messages("api", 3..=4)).await;
    assert!(matches!(&answer, Err(error) if error.effect() == Effect::Unknown), "{answer:?}");
    // Without a connection nothing is sent, so nothing can have happened.
    state.wait_for(|state| matches!(state, ConnectionState::Lost { .. })).await.unwrap();
    let answer = queue.publish(&messages("api", 5..=6)).await;
    assert!(matches!(&answer, Err(error) if error.effect() == Effect::None), "{answer:?}");
    assert!(queue.receive(1, Duration::from_millis(10)).await.is_err());
    server.server.thaw();
    state.wait_for(|state| *state == ConnectionState::Connected).await.unwrap();
    // What the server found in its buffers came first, and what is repeated is not stored again.
    at_last(async || queue.publish(&messages("api", 3..=6)).await).await;
    assert_eq!(drain(&queue).await, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn a_killed_server_keeps_what_it_confirmed() {
    let mut server = Server::start().await;
    let queue = open(&through(&server.proxy), options("killed")).await;
    queue.publish(&messages("api", 1..=50)).await.unwrap();
    server.server.kill();
    assert!(queue.publish(&messages("api", 51..=60)).await.is_err());
    server.server.start_again().unwrap();
    at_last(async || queue.publish(&messages("api", 51..=60)).await).await;
    assert_eq!(drain(&queue).await, (1..=60).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_full_stream_says_so_and_keeps_what_is_there() {
    let server = Server::start().await;
    let queue = open(&through(&server.proxy), NatsOptions { queue_limit: 5, ..options("full") }).await;
    queue.publish(&messages("api", 1..=3)).await.unwrap();
    // Some of it fits and is stored: the caller repeats the whole.
    let answer = queue.publish(&messages("api", 4..=7)).await;
    assert!(matches!(&answer, Err(error) if error.effect() == Effect::Unknown), "{answer:?}");
    for _ in 0..2 {
        let answer = queue.publish(&messages("api", 4..=7)).await;
        assert!(matches!(answer, Err(QueueError::Full { limit: 5 })), "{answer:?}");
    }
    let deliveries = queue.receive(2, Duration::from_secs(5)).await.unwrap();
    queue.ack(&deliveries.into_iter().map(|delivery| delivery.receipt).collect::<Vec<_>>()).await.unwrap();
    queue.publish(&messages("api", 4..=7)).await.unwrap();
    assert_eq!(drain(&queue).await, [3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn a_late_ack_is_heard_while_nobody_else_has_the_message() {
    let server = Server::start().await;
    let queue = open(&through(&server.proxy), options("late")).await;
    queue.publish(&messages("api", 1..=1)).await.unwrap();
    let deliveries = queue.receive(1, Duration::from_secs(5)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    queue.ack(&[deliveries[0].receipt.clone()]).await.unwrap();
    assert_eq!(drain(&queue).await, [0; 0]);
    let depth = queue.depth().await.unwrap();
    assert_eq!((depth.ready, depth.unacked, depth.dead), (0, 0, 0));
    assert_eq!(queue.dead_letters(1).await.unwrap(), []);
}
