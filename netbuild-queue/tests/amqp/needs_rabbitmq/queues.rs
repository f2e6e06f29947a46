//! What the broker's queues are, and what becomes of one that is deleted or is another.

use std::time::Duration;

use netbuild_core::port::{DeadLetters, DeadReason, Effect, Queue};
use netbuild_queue::amqp::lapin::options::{
    BasicGetOptions, BasicNackOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use netbuild_queue::amqp::lapin::types::{AMQPValue, FieldTable};
use netbuild_queue::amqp::{AmqpError, AmqpOptions};

use super::support::{Broker, client, messages, open, publish_at_last, receipts, receive, seqs, try_open};

fn named(queue: &str) -> AmqpOptions {
    AmqpOptions { queue: queue.to_owned(), max_deliveries: Some(3), ..AmqpOptions::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_to_a_deleted_queue_are_a_failure_and_it_is_made_again() {
    let broker = Broker::start();
    let queue = open(&broker.server.url(), named("deleted")).await;
    queue.publish(&messages(1..=1)).await.unwrap();
    queue.ack(&receipts(&receive(&queue, 1).await)).await.unwrap();
    // Once with a consumer, who notices by himself, once without.
    let publisher = open(&broker.server.url(), named("deleted")).await;
    let (_connection, channel) = client(&broker.server.url()).await;
    channel.queue_delete("deleted".into(), QueueDeleteOptions::default()).await.unwrap();
    drop(queue);
    match publisher.publish(&messages(2..=4)).await {
        Err(error) => {
            assert_eq!(error.effect(), Effect::None, "all came back: {error:?}");
            assert!(format!("{error:?}").contains("Returned"), "{error:?}");
        }
        Ok(()) => assert_eq!(publisher.depth().await.unwrap().ready, 3, "made again by the other before it ended"),
    }
    publish_at_last(&publisher, &messages(5..=6)).await;
    let received = seqs(&receive(&publisher, 2).await);
    assert!(received.ends_with(&[5, 6]) || received == [2, 3], "{received:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_whose_queue_is_deleted_makes_it_again() {
    let broker = Broker::start();
    let queue = open(&broker.server.url(), named("gone")).await;
    queue.publish(&messages(1..=1)).await.unwrap();
    queue.ack(&receipts(&receive(&queue, 1).await)).await.unwrap();
    let (_connection, channel) = client(&broker.server.url()).await;
    for name in ["gone", "gone.dead"] {
        channel.queue_delete(name.into(), QueueDeleteOptions::default()).await.unwrap();
    }
    publish_at_last(&queue, &messages(2..=2)).await;
    assert_eq!(seqs(&receive(&queue, 1).await), [2]);
    assert_eq!(queue.depth().await.unwrap().dead, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_queue_of_the_name_is_refused_with_what_differs() {
    let broker = Broker::start();
    let url = broker.server.url();
    let (_connection, channel) = client(&url).await;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let mut quorum = FieldTable::default();
    quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    for (name, options, arguments, differs) in [
        ("classic", durable, FieldTable::default(), "inequivalent arg 'x-"),
        ("transient", QueueDeclareOptions::default(), FieldTable::default(), "inequivalent arg 'durable"),
        ("bare", durable, quorum, "inequivalent arg 'x-"),
    ] {
        channel.queue_declare(name.into(), options, arguments).await.unwrap();
        let error = try_open(&url, named(name)).await.unwrap_err();
        assert!(matches!(error, AmqpError::OtherQueue { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(differs) && text.contains(name) && !text.contains("canary"), "{text}");
    }
    open(&url, named("limits")).await;
    let other = AmqpOptions { max_deliveries: Some(4), ..named("limits") };
    let error = try_open(&url, other).await.unwrap_err().to_string();
    assert!(error.contains("x-delivery-limit") && error.contains('4') && error.contains('3'), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_broker_itself_gives_up_on_is_a_dead_letter_with_the_same_reason() {
    let broker = Broker::start();
    let queue = open(&broker.server.url(), named("wall")).await;
    queue.publish(&messages(1..=1)).await.unwrap();
    let (_connection, channel) = client(&broker.server.url()).await;
    // A consumer that does not count.
    for _ in 0..=3 {
        let got = loop {
            match channel.basic_get("wall".into(), BasicGetOptions::default()).await.unwrap() {
                Some(got) => break got,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        let requeue = BasicNackOptions { requeue: true, multiple: false };
        channel.basic_nack(got.delivery.delivery_tag, requeue).await.unwrap();
    }
    while queue.depth().await.unwrap().dead == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let letters = queue.dead_letters(10).await.unwrap();
    assert_eq!((letters.len(), &letters[0].reason, letters[0].deliveries), (1, &DeadReason::TooManyDeliveries, 3));
    assert_eq!(queue.redrive(&[letters[0].id.clone()]).await.unwrap(), 1);
    let back = receive(&queue, 1).await;
    assert_eq!((seqs(&back), back[0].deliveries), (vec![1], 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_nobody_asks_leaves_messages_to_others() {
    let broker = Broker::start();
    let short = AmqpOptions { redelivery_after: Duration::from_secs(1), ..named("idle") };
    let idle = open(&broker.server.url(), short.clone()).await;
    let busy = open(&broker.server.url(), short).await;
    idle.publish(&messages(1..=3)).await.unwrap();
    assert_eq!(seqs(&receive(&idle, 1).await), [1]);
    let mut known = std::collections::BTreeSet::new();
    while known.len() < 3 {
        let deliveries = receive(&busy, 1).await;
        busy.ack(&receipts(&deliveries)).await.unwrap();
        known.extend(seqs(&deliveries));
    }
    assert_eq!(known, [1, 2, 3].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_refused_at_once_and_not_shown() {
    let broker = Broker::start();
    let wrong = broker.server.url().replace("canary-rabbitmq-password", "canary-wrong");
    let error = try_open(&wrong, named("a")).await.unwrap_err();
    assert!(matches!(error, AmqpError::Refused { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
}
