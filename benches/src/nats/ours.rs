//! netbuild's queue.

use std::sync::Arc;
use std::time::Duration;

use netbuild_core::port::{Clock, Message, Queue, Receipt, SystemClock};
use netbuild_queue::nats::{NatsOptions, NatsQueue};

/// A [`NatsQueue`] with a caller that waits for each answer.
#[derive(Debug)]
pub struct Ours {
    queue: NatsQueue,
    clock: SystemClock,
}

impl Ours {
    /// An empty queue in a new stream.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn new(url: &str) -> Self {
        let options = NatsOptions { stream: "ours".to_owned(), queue_limit: 1_000_000, ..NatsOptions::default() };
        let queue = NatsQueue::open(url, options, Arc::new(SystemClock::new())).await;
        Ours { queue: queue.expect("the server takes a queue"), clock: SystemClock::new() }
    }

    /// Stores messages, and answers how long that took.
    ///
    /// # Panics
    /// When the queue fails.
    pub async fn publish(&self, batch: &[Message]) -> Duration {
        let start = self.clock.monotonic();
        self.queue.publish(batch).await.expect("the queue works");
        self.clock.monotonic() - start
    }

    /// Takes out `count` messages, receive and ack, and answers how long that took.
    ///
    /// # Panics
    /// When the queue fails, or has fewer.
    pub async fn consume(&self, count: usize) -> Duration {
        let start = self.clock.monotonic();
        let mut left = count;
        while left > 0 {
            let deliveries = self.queue.receive(left, Duration::from_secs(5)).await.expect("the queue works");
            assert!(!deliveries.is_empty());
            left -= deliveries.len();
            let receipts: Vec<Receipt> = deliveries.into_iter().map(|delivery| delivery.receipt).collect();
            self.queue.ack(&receipts).await.expect("the queue works");
        }
        self.clock.monotonic() - start
    }
}
