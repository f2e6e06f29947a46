//! netbuild's queue.

use std::sync::Arc;
use std::time::Duration;

use netbuild_core::port::{Clock, Message, Queue, Receipt, SystemClock};
use netbuild_queue::amqp::{AmqpOptions, AmqpQueue};

/// An [`AmqpQueue`] with a caller that waits for each answer.
#[derive(Debug)]
pub struct Ours {
    queue: AmqpQueue,
    clock: SystemClock,
}

impl Ours {
    /// An empty queue on the broker at `address`.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn new(address: &str, queue: &str) -> Self {
        let options = AmqpOptions { queue: queue.to_owned(), ..AmqpOptions::default() };
        let queue = AmqpQueue::open(address, options, Arc::new(SystemClock::new())).await;
        Ours { queue: queue.expect("a queue can be made"), clock: SystemClock::new() }
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
    /// When the queue fails.
    pub async fn consume(&self, count: usize) -> Duration {
        let start = self.clock.monotonic();
        let mut receipts: Vec<Receipt> = Vec::with_capacity(count);
        while receipts.len() < count {
            let wait = Duration::from_secs(10);
            let deliveries = self.queue.receive(count - receipts.len(), wait).await.expect("the queue works");
            receipts.extend(deliveries.into_iter().map(|delivery| delivery.receipt));
        }
        self.queue.ack(&receipts).await.expect("the queue works");
        self.clock.monotonic() - start
    }
}
