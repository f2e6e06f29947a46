//! The queue over the store's thread.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::port::{Delivery, Depth, Message, Queue, QueueCapabilities, QueueError, Receipt};
use tokio::time::{Instant, timeout};

use super::handle::Handle;
use super::queue_rows as rows;

/// How often a waiting `receive` looks for what other processes published, and for what is due again.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The queue in a SQLite file.
///
/// A publish by this store ends the wait of its `receive` at once; one by another process within 100 ms.
#[derive(Clone, Debug)]
pub struct SqliteQueue {
    handle: Arc<Handle>,
}

impl SqliteQueue {
    pub(super) fn new(handle: Arc<Handle>) -> Self {
        SqliteQueue { handle }
    }

    /// Looks first and takes then: a look does not ask for the write lock.
    async fn take(&self, max: usize) -> Result<Vec<Delivery>, QueueError> {
        if !self.handle.read(rows::has_visible).await? {
            return Ok(Vec::new());
        }
        let redelivery_after = self.handle.options.redelivery_after;
        self.handle.write(move |connection, now| rows::take(connection, max, redelivery_after, now)).await
    }
}

#[async_trait]
impl Queue for SqliteQueue {
    fn capabilities(&self) -> QueueCapabilities {
        let window = self.handle.options.dedupe_window;
        QueueCapabilities {
            atomic_batch: true,
            dedupe_window: (!window.is_zero()).then_some(window),
            durable: true,
            redelivery_after: self.handle.options.redelivery_after,
        }
    }

    async fn publish(&self, batch: &[Message]) -> Result<(), QueueError> {
        let batch: Vec<rows::Row> = batch.iter().map(rows::Row::from).collect();
        let limit = self.handle.options.queue_limit;
        let window = self.handle.options.dedupe_window;
        self.handle.write(move |connection, now| rows::publish(connection, &batch, window, limit, now)).await?;
        self.handle.queue_changed.notify_waiters();
        Ok(())
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let start = Instant::now();
        loop {
            // Before the look, so that a publish right after it is not missed.
            let changed = self.handle.queue_changed.notified();
            let deliveries = if max == 0 { Vec::new() } else { self.take(max).await? };
            let left = wait.saturating_sub(start.elapsed());
            if !deliveries.is_empty() || max == 0 || left.is_zero() {
                return Ok(deliveries);
            }
            // Either way the next round looks and decides.
            let _ = timeout(left.min(LOOK_EVERY), changed).await;
        }
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        let receipts = receipts.to_vec();
        self.handle.write(move |connection, _| rows::ack(connection, &receipts)).await
    }

    async fn nack(&self, receipts: &[Receipt], after: Duration) -> Result<(), QueueError> {
        let receipts = receipts.to_vec();
        self.handle.write(move |connection, now| rows::nack(connection, &receipts, after, now)).await?;
        self.handle.queue_changed.notify_waiters();
        Ok(())
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        self.handle.read(rows::depth).await
    }
}
