//! What happens to the broker and to the way to it.

use std::time::Duration;

use netbuild_core::port::{DeadLetters, DeadReason, Effect, Queue, QueueError};
use netbuild_core::testkit::fault_proxy::{Direction, FaultProxy};
use netbuild_queue::ConnectionState;
use netbuild_queue::amqp::AmqpOptions;
use netbuild_servers::RabbitmqServer;
use tokio::time::{Instant, sleep, timeout};

use super::support::{Broker, messages, open, publish_at_last, receipts, receive, seqs};

/// A deadline shorter than any of the client's own.
const DEADLINE: Duration = Duration::from_secs(3);

fn options() -> AmqpOptions {
    AmqpOptions { call_deadline: DEADLINE, ..AmqpOptions::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confirmed_messages_survive_a_killed_broker_and_the_queue_finds_back() {
    let mut broker = Broker::start();
    let queue = open(&broker.server.url(), options()).await;
    queue.publish(&messages(1..=600)).await.unwrap();
    let before = receive(&queue, 100).await;
    assert_eq!(seqs(&before), (1..=100).collect::<Vec<_>>());
    broker.server.kill();
    let refused = queue.publish(&messages(601..=601)).await.unwrap_err();
    assert!(matches!(refused, QueueError::Unavailable(_) | QueueError::Unknown(_)), "{refused:?}");
    let mut state = queue.connection();
    assert!(matches!(
        *state.wait_for(|state| *state != ConnectionState::Connected).await.unwrap(),
        ConnectionState::Lost { .. }
    ));
    broker.server.start_again().unwrap();
    publish_at_last(&queue, &messages(601..=601)).await;
    assert_eq!(*state.borrow_and_update(), ConnectionState::Connected);
    queue.ack(&receipts(&before)).await.unwrap();
    let mut known = std::collections::BTreeSet::new();
    while known.len() < 601 {
        let again = receive(&queue, 1).await;
        known.extend(seqs(&again));
        queue.ack(&receipts(&again)).await.unwrap();
    }
    assert_eq!(known, (1..=601).collect(), "all that was confirmed, that of the lost receipts too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_broker_is_noticed_by_the_deadline() {
    let broker = Broker::start();
    let queue = open(&broker.server.url(), options()).await;
    queue.publish(&messages(1..=2)).await.unwrap();
    let handed_out = receive(&queue, 1).await;
    broker.server.freeze();
    // Generous against a busy machine, and far below the client's own two minutes.
    let patience = DEADLINE * 5;
    let error = timeout(patience, queue.publish(&messages(3..=3))).await.expect("an answer").unwrap_err();
    assert_eq!(error.effect(), Effect::Unknown);
    let error = timeout(patience, queue.depth()).await.expect("an answer").unwrap_err();
    assert_eq!(error.effect(), Effect::None);
    timeout(patience, queue.ack(&receipts(&handed_out))).await.expect("an answer").unwrap();
    timeout(patience, queue.receive(5, Duration::from_millis(100))).await.expect("an answer").unwrap_err();
    broker.server.thaw();
    publish_at_last(&queue, &messages(3..=3)).await;
    let mut known = std::collections::BTreeSet::new();
    while known.len() < 3 {
        known.extend(seqs(&receive(&queue, 1).await));
    }
    assert_eq!(known, [1, 2, 3].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_out_of_memory_answers_by_the_deadline_and_its_consumers_go_on() {
    let broker = Broker::start();
    let queue = open(&broker.server.url(), options()).await;
    queue.publish(&messages(1..=3)).await.unwrap();
    let first = receive(&queue, 1).await;
    broker.server.control(&["set_vm_memory_high_watermark", "0.000001"]).unwrap();
    let patience = DEADLINE * 5;
    let error = loop {
        // The alarm rises within a second of the setting.
        match timeout(patience, queue.publish(&messages(4..=4))).await.expect("an answer") {
            Ok(()) => sleep(Duration::from_millis(100)).await,
            Err(error) => break error,
        }
    };
    assert_eq!(error.effect(), Effect::Unknown, "{error:?}");
    let start = Instant::now();
    let error = queue.publish(&messages(5..=5)).await.unwrap_err();
    assert_eq!(error.effect(), Effect::None, "it is known by now, and nothing is sent: {error:?}");
    assert!(start.elapsed() < DEADLINE, "so nobody waits for it");
    // Acks come through, and what the consumer has is not lost and counted anew.
    queue.ack(&receipts(&first)).await.unwrap();
    let second = receive(&queue, 1).await;
    assert_eq!((seqs(&second), second[0].deliveries), (vec![2], 1));
    broker.server.control(&["set_vm_memory_high_watermark", "0.4"]).unwrap();
    publish_at_last(&queue, &messages(5..=5)).await;
    assert_eq!(*queue.connection().borrow(), ConnectionState::Connected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_that_swallows_everything_is_noticed_and_left() {
    let broker = Broker::start();
    let proxy = FaultProxy::start(broker.server.addr()).await.unwrap();
    let queue = open(&RabbitmqServer::url_at(proxy.addr()), options()).await;
    queue.publish(&messages(1..=1)).await.unwrap();
    proxy.black_hole(&[Direction::ToServer, Direction::ToClient]);
    let error = timeout(DEADLINE * 5, queue.publish(&messages(2..=2))).await.expect("an answer").unwrap_err();
    assert_eq!(error.effect(), Effect::Unknown);
    proxy.heal();
    publish_at_last(&queue, &messages(2..=2)).await;
    assert_eq!(seqs(&receive(&queue, 2).await)[..2], [1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_the_broker_closed_for_a_long_delivery_is_survived() {
    let broker = Broker::start_with(&[("consumer_timeout", "1000")]);
    // The broker looks for such deliveries once a minute, by a setting that its file does not know.
    broker.server.control(&["eval", "application:set_env(rabbit, channel_tick_interval, 1000)."]).unwrap();
    let queue = open(&broker.server.url(), options()).await;
    queue.publish(&messages(1..=1)).await.unwrap();
    let first = receive(&queue, 1).await;
    let mut state = queue.connection();
    state.wait_for(|state| *state != ConnectionState::Connected).await.unwrap();
    let again = receive(&queue, 1).await;
    assert_eq!(seqs(&again), [1]);
    assert!(again[0].deliveries > 1);
    queue.ack(&receipts(&first)).await.unwrap();
    assert_eq!(queue.depth().await.unwrap().unacked, 1, "a receipt of the lost channel acks nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_every_consumer_dies_of_becomes_a_dead_letter_and_none_is_lost() {
    let broker = Broker::start();
    let few = || AmqpOptions { max_deliveries: Some(2), ..options() };
    open(&broker.server.url(), few()).await.publish(&messages(1..=1)).await.unwrap();
    for time in 1..=2 {
        let dying = open(&broker.server.url(), few()).await;
        let delivery = receive(&dying, 1).await;
        assert_eq!((seqs(&delivery), delivery[0].deliveries), (vec![1], time));
    }
    let queue = open(&broker.server.url(), few()).await;
    queue.publish(&messages(2..=2)).await.unwrap();
    assert_eq!(seqs(&receive(&queue, 1).await), [2]);
    let letters = queue.dead_letters(10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((&letters[0].reason, letters[0].deliveries), (&DeadReason::TooManyDeliveries, 2));
    assert_eq!(queue.redrive(&[letters[0].id.clone()]).await.unwrap(), 1);
    let back = receive(&queue, 1).await;
    assert_eq!((seqs(&back), back[0].deliveries), (vec![1], 1));
}
