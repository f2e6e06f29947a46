//! The least that is a queue with redelivery: a work queue, and a pull consumer with explicit acks.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::try_join_all;
use netbuild_core::port::{Clock, SystemClock};
use netbuild_queue::nats::async_nats::client::Request;
use netbuild_queue::nats::async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use netbuild_queue::nats::async_nats::jetstream::message::PublishMessage;
use netbuild_queue::nats::async_nats::jetstream::stream::{self, DiscardPolicy, RetentionPolicy};
use netbuild_queue::nats::async_nats::jetstream::{self, Context};
use netbuild_queue::nats::async_nats::{self, Client};

const STREAM: &str = "raw";

/// A queue of bytes in a stream.
#[derive(Debug)]
pub struct Raw {
    client: Client,
    context: Context,
    consumer: PullConsumer,
    clock: SystemClock,
}

impl Raw {
    /// An empty queue in a new stream.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn new(url: &str) -> Self {
        let client = async_nats::connect(url).await.expect("the server answers");
        let context = jetstream::new(client.clone());
        let config = stream::Config {
            name: STREAM.to_owned(),
            subjects: vec![STREAM.to_owned()],
            retention: RetentionPolicy::WorkQueue,
            discard: DiscardPolicy::New,
            ..stream::Config::default()
        };
        let stream = context.create_stream(config).await.expect("the server takes a stream");
        let config = pull::Config {
            durable_name: Some(STREAM.to_owned()),
            ack_policy: AckPolicy::Explicit,
            max_ack_pending: -1,
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await.expect("the stream takes a consumer");
        Raw { client, context, consumer, clock: SystemClock::new() }
    }

    /// Stores messages, each with an id, and answers how long that took.
    ///
    /// # Panics
    /// When the server fails.
    pub async fn publish(&self, batch: Vec<(String, Vec<u8>)>) -> Duration {
        let start = self.clock.monotonic();
        let mut acks = Vec::with_capacity(batch.len());
        for (id, body) in batch {
            let message = PublishMessage::build().message_id(id).payload(body.into());
            acks.push(self.context.send_publish(STREAM, message).await.expect("the connection works"));
        }
        for ack in acks {
            ack.await.expect("the server stores it");
        }
        self.clock.monotonic() - start
    }

    /// Takes out `count` messages, receive and ack, and answers how long that took.
    ///
    /// # Panics
    /// When the server fails, or there are fewer.
    pub async fn consume(&self, count: usize) -> Duration {
        let start = self.clock.monotonic();
        let mut left = count;
        while left > 0 {
            let fetch = self.consumer.fetch().max_messages(left);
            let mut messages = fetch.messages().await.expect("the server answers");
            let mut replies = Vec::with_capacity(left);
            while let Some(message) = messages.next().await {
                let message = message.expect("the server hands out messages");
                replies.push(message.reply.clone().expect("a delivery has a subject for its ack"));
            }
            left -= replies.len();
            let ack = |reply| self.client.send_request(reply, Request::new().payload("+ACK".into()));
            try_join_all(replies.into_iter().map(ack)).await.expect("the server takes acks");
        }
        self.clock.monotonic() - start
    }
}
