//! The outbox over the store's thread.

use std::sync::Arc;

use async_trait::async_trait;
use netbuild_core::model::PublisherId;
use netbuild_core::port::{Backlog, Event, Message, Outbox, OutboxError, Recorded};

use super::handle::Handle;
use super::outbox_rows as rows;

/// The outbox of one publisher in a SQLite file.
///
/// Event keys and build ids are compared over all publishers of the file: an event that another one recorded is answered
/// with that one's place. The key of a published event is forgotten after
/// [`event_key_age`](super::SqliteOptions::event_key_age); its build is freed as soon as it is published.
#[derive(Clone, Debug)]
pub struct SqliteOutbox {
    handle: Arc<Handle>,
    publisher: PublisherId,
    epoch: u64,
}

impl SqliteOutbox {
    pub(super) async fn new(handle: Arc<Handle>, publisher: PublisherId) -> Result<Self, OutboxError> {
        let name = publisher.clone();
        let epoch = handle.write(move |connection, now| rows::epoch(connection, &name, now)).await?;
        Ok(SqliteOutbox { handle, publisher, epoch })
    }

    /// Records a batch and hands what is pending to the queue of the same file, in one transaction: in calm times the
    /// batch itself, which then needs no publisher.
    ///
    /// Older pending events go first, so the order holds. What finds no room in the queue, and what comes after the first
    /// 1,000 beyond the size of the batch, stays pending for the publisher; the batch is accepted in any case. A publisher
    /// may run beside it: what both hand over is stored once within the queue's dedupe window.
    ///
    /// # Errors
    /// [`OutboxError`], as [`record`](Outbox::record).
    pub async fn record_and_publish(&self, batch: &[Event]) -> Result<Vec<Recorded>, OutboxError> {
        let (outbox, batch) = (self.rows(), batch.to_vec());
        let recorded =
            self.handle.write(move |connection, now| outbox.record_and_publish(connection, &batch, now)).await?;
        self.handle.queue_changed.notify_waiters();
        Ok(recorded)
    }

    fn rows(&self) -> rows::Rows {
        let options = self.handle.options.clone();
        rows::Rows { publisher: self.publisher.clone(), epoch: self.epoch, options }
    }
}

#[async_trait]
impl Outbox for SqliteOutbox {
    fn publisher(&self) -> (&PublisherId, u64) {
        (&self.publisher, self.epoch)
    }

    async fn record(&self, batch: &[Event]) -> Result<Vec<Recorded>, OutboxError> {
        let (outbox, batch) = (self.rows(), batch.to_vec());
        self.handle.write(move |connection, now| outbox.record(connection, &batch, now)).await
    }

    async fn pending(&self, after: u64, max: usize) -> Result<Vec<Message>, OutboxError> {
        let outbox = self.rows();
        self.handle.read(move |connection, _| outbox.pending(connection, after, max)).await
    }

    async fn published(&self, seq: u64) -> Result<(), OutboxError> {
        let outbox = self.rows();
        self.handle.write(move |connection, now| outbox.published(connection, seq, now)).await
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        let outbox = self.rows();
        self.handle.read(move |connection, _| outbox.backlog(connection)).await
    }
}
