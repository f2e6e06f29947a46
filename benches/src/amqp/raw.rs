//! The least that is a durable queue: a channel that confirms, and a consumer.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use netbuild_core::port::{Clock, SystemClock};
use netbuild_queue::amqp::lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use netbuild_queue::amqp::lapin::types::{AMQPValue, FieldTable};
use netbuild_queue::amqp::lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};

/// A queue of bytes, with a connection for each direction.
#[derive(Debug)]
pub struct Raw {
    name: String,
    publish: Channel,
    consume: Channel,
    consumer: Consumer,
    clock: SystemClock,
    _connections: [Connection; 2],
}

impl Raw {
    /// An empty queue on the broker at `address`.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn new(address: &str, name: &str) -> Self {
        let connect = async || {
            let connected = Connection::connect(address, ConnectionProperties::default()).await;
            connected.expect("the broker answers")
        };
        let connections = [connect().await, connect().await];
        let publish = connections[0].create_channel().await.expect("a channel");
        publish.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        let consume = connections[1].create_channel().await.expect("a channel");
        let mut quorum = FieldTable::default();
        quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        consume.queue_declare(name.into(), durable, quorum).await.expect("a queue can be made");
        consume.basic_qos(1_024, BasicQosOptions::default()).await.expect("a prefetch");
        let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
        let consumer = consume.basic_consume(name.into(), "".into(), options, none).await.expect("a consumer");
        Raw { name: name.to_owned(), publish, consume, consumer, clock: SystemClock::new(), _connections: connections }
    }

    /// Stores messages, and answers how long that took.
    ///
    /// # Panics
    /// When the broker fails.
    pub async fn publish(&self, batch: &[Vec<u8>]) -> Duration {
        let start = self.clock.monotonic();
        let send = |body: &'_ Vec<u8>| {
            let body = body.clone();
            async move {
                let properties = BasicProperties::default().with_delivery_mode(2);
                let options = BasicPublishOptions::default();
                let sent = self.publish.basic_publish("".into(), self.name.as_str().into(), options, &body, properties);
                sent.await.expect("the broker works").await.expect("the broker works")
            }
        };
        let confirms = join_all(batch.iter().map(send)).await;
        assert!(confirms.iter().all(|confirm| confirm.is_ack()));
        self.clock.monotonic() - start
    }

    /// Takes out `count` messages and acks them in one word, and answers how long that took.
    ///
    /// # Panics
    /// When the broker fails.
    pub async fn consume(&mut self, count: usize) -> Duration {
        let start = self.clock.monotonic();
        let mut last = 0;
        for _ in 0..count {
            last = self.consumer.next().await.expect("a message").expect("the broker works").delivery_tag;
        }
        self.consume.basic_ack(last, BasicAckOptions { multiple: true }).await.expect("the broker works");
        self.clock.monotonic() - start
    }
}
