//! The queue in the file.

use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::port::{Delivery, Depth, Message, Queue, QueueCapabilities, QueueError, Receipt};

use super::queue_rows;
use super::store::SqliteStore;

/// The queue. Made by [`SqliteStore::queue`].
#[derive(Clone, Debug)]
pub struct SqliteQueue {
    store: SqliteStore,
}

/// How often a waiting `receive` looks for what other processes published.
const POLL: Duration = Duration::from_millis(100);

impl SqliteQueue {
    pub(super) fn new(store: SqliteStore) -> Self {
        SqliteQueue { store }
    }

    async fn take(&self, max: usize) -> Result<Vec<Delivery>, QueueError> {
        let (options, now) = (self.store.options.clone(), self.store.clock.now());
        let taken = self
            .store
            .writer
            .run(move |connection| queue_rows::receive(connection, max, now + options.redelivery_after, now));
        Ok(taken.await?)
    }
}

#[async_trait]
impl Queue for SqliteQueue {
    fn capabilities(&self) -> QueueCapabilities {
        QueueCapabilities {
            atomic_batch: true,
            dedupe_window: Some(self.store.options.dedupe_window),
            durable: true,
            redelivery_after: self.store.options.redelivery_after,
        }
    }

    async fn publish(&self, batch: &[Message]) -> Result<(), QueueError> {
        let batch = batch.to_vec();
        let (options, now) = (self.store.options.clone(), self.store.clock.now());
        let published = self.store.writer.run(move |connection| {
            queue_rows::publish(connection, &batch, &options, now)
                .map_err(|failure| failure.map_refused(|limit| QueueError::Full { limit }))
        });
        published.await?;
        self.store.published.notify_waiters();
        Ok(())
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let until = tokio::time::Instant::now() + wait;
        loop {
            // Registered before the look, so that a publish in between is not missed.
            let mut published = std::pin::pin!(self.store.published.notified());
            published.as_mut().enable();
            let taken = self.take(max).await?;
            let now = tokio::time::Instant::now();
            if !taken.is_empty() || max == 0 || now >= until {
                return Ok(taken);
            }
            // The end of the wait is as good a reason to look as a publish.
            drop(tokio::time::timeout(POLL.min(until - now), published).await);
        }
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        let receipts = receipts.to_vec();
        Ok(self.store.writer.run(move |connection| queue_rows::ack(connection, &receipts)).await?)
    }

    async fn nack(&self, receipts: &[Receipt], after: Duration) -> Result<(), QueueError> {
        let (receipts, visible_at) = (receipts.to_vec(), self.store.clock.now() + after);
        Ok(self.store.writer.run(move |connection| queue_rows::nack(connection, &receipts, visible_at)).await?)
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let now = self.store.clock.now();
        Ok(self.store.writer.run(move |connection| queue_rows::depth(connection, now)).await?)
    }
}
