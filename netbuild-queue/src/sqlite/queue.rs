//! The queue over the store's thread.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::port::{
    DeadLetter, DeadLetterId, DeadLetters, Delivery, Depth, Message, Queue, QueueCapabilities, QueueError, Receipt,
};
use tokio::time::{Instant, timeout};

use super::handle::Handle;
use super::{dead_rows, queue_rows as rows};
use crate::bounds::at_least_one;

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
        let take = rows::Take {
            redelivery_after: self.handle.options.redelivery_after,
            max_deliveries: at_least_one(self.handle.options.max_deliveries).unwrap_or(u32::MAX),
        };
        let (deliveries, buried) = self.handle.write(move |connection, now| take.take(connection, max, now)).await?;
        for (row, reason) in buried {
            tracing::error!(row, ?reason, "a message is a dead letter now");
        }
        Ok(deliveries)
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
            max_deliveries: at_least_one(self.handle.options.max_deliveries),
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

#[async_trait]
impl DeadLetters for SqliteQueue {
    async fn bury(&self, receipts: &[Receipt], reason: &str) -> Result<(), QueueError> {
        let (receipts, reason) = (receipts.to_vec(), reason.to_owned());
        self.handle.write(move |connection, now| dead_rows::bury_receipts(connection, &receipts, &reason, now)).await
    }

    async fn dead_letters(&self, max: usize) -> Result<Vec<DeadLetter>, QueueError> {
        self.handle.read(move |connection, _| dead_rows::list(connection, max)).await
    }

    async fn redrive(&self, ids: &[DeadLetterId]) -> Result<u64, QueueError> {
        let ids = ids.to_vec();
        let moved = self.handle.write(move |connection, now| dead_rows::redrive(connection, &ids, now)).await?;
        self.handle.queue_changed.notify_waiters();
        Ok(moved)
    }

    async fn discard(&self, ids: &[DeadLetterId]) -> Result<u64, QueueError> {
        let ids = ids.to_vec();
        self.handle.write(move |connection, _| dead_rows::discard(connection, &ids)).await
    }
}
