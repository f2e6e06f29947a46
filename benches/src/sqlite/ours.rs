//! netbuild's queue.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use netbuild_core::port::{Clock, Message, Queue, Receipt, SystemClock};
use netbuild_queue::sqlite::{SqliteOptions, SqliteQueue, SqliteStore};
use tokio::runtime::{Builder, Runtime};

/// A [`SqliteQueue`] with a caller that waits for each answer.
#[derive(Debug)]
pub struct Ours {
    queue: SqliteQueue,
    runtime: Runtime,
    clock: SystemClock,
}

impl Ours {
    /// An empty queue in a new file.
    ///
    /// # Panics
    /// When the file cannot be made.
    pub fn new(file: &Path) -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime can be made");
        let options = SqliteOptions { queue_limit: 1_000_000, ..SqliteOptions::default() };
        let store = runtime.block_on(SqliteStore::open(file, options, Arc::new(SystemClock::new())));
        Ours { queue: store.expect("a new file can be made").queue(), runtime, clock: SystemClock::new() }
    }

    /// Stores messages, and answers how long that took.
    ///
    /// # Panics
    /// When the queue fails.
    pub fn publish(&self, batch: &[Message]) -> Duration {
        let start = self.clock.monotonic();
        self.runtime.block_on(self.queue.publish(batch)).expect("the queue works");
        self.clock.monotonic() - start
    }

    /// Takes out `count` messages, receive and ack, and answers how long that took.
    ///
    /// # Panics
    /// When the queue fails, or has fewer.
    pub fn consume(&self, count: usize) -> Duration {
        let start = self.clock.monotonic();
        let deliveries = self.runtime.block_on(self.queue.receive(count, Duration::ZERO)).expect("the queue works");
        assert_eq!(deliveries.len(), count);
        let receipts: Vec<Receipt> = deliveries.into_iter().map(|delivery| delivery.receipt).collect();
        self.runtime.block_on(self.queue.ack(&receipts)).expect("the queue works");
        self.clock.monotonic() - start
    }
}
