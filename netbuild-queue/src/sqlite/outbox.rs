//! The outbox in the file.

use async_trait::async_trait;
use netbuild_core::model::{Place, PublisherId};
use netbuild_core::port::{Backlog, Event, Message, Outbox, OutboxError, Recorded};

use super::outbox_rows;
use super::store::SqliteStore;

/// The outbox of one publisher. Made by [`SqliteStore::outbox`].
#[derive(Clone, Debug)]
pub struct SqliteOutbox {
    store: SqliteStore,
    rows: Rows,
}

/// Whose rows these are.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub(super) publisher: PublisherId,
    pub(super) epoch: u64,
}

impl Rows {
    pub(super) fn place(&self, seq: u64) -> Place {
        Place { publisher: self.publisher.clone(), epoch: self.epoch, seq }
    }
}

impl SqliteOutbox {
    pub(super) async fn open(store: SqliteStore, publisher: PublisherId) -> Result<Self, OutboxError> {
        let (of, now) = (publisher.clone(), store.clock.now());
        let epoch = store.writer.run(move |connection| outbox_rows::epoch(connection, &of, now)).await?;
        Ok(SqliteOutbox { store, rows: Rows { publisher, epoch } })
    }

    pub(super) fn rows(&self) -> Rows {
        self.rows.clone()
    }
}

#[async_trait]
impl Outbox for SqliteOutbox {
    fn publisher(&self) -> (&PublisherId, u64) {
        (&self.rows.publisher, self.rows.epoch)
    }

    async fn record(&self, batch: &[Event]) -> Result<Vec<Recorded>, OutboxError> {
        let (rows, batch) = (self.rows(), batch.to_vec());
        let (options, now) = (self.store.options.clone(), self.store.clock.now());
        let recorded =
            self.store.writer.run(move |connection| outbox_rows::record(connection, &rows, &batch, &options, now));
        Ok(recorded.await?)
    }

    async fn pending(&self, after: u64, max: usize) -> Result<Vec<Message>, OutboxError> {
        let rows = self.rows();
        Ok(self.store.writer.run(move |connection| outbox_rows::pending(connection, &rows, after, max)).await?)
    }

    async fn published(&self, seq: u64) -> Result<(), OutboxError> {
        let rows = self.rows();
        let (options, now) = (self.store.options.clone(), self.store.clock.now());
        let published =
            self.store.writer.run(move |connection| outbox_rows::published(connection, &rows, seq, &options, now));
        Ok(published.await?)
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        let rows = self.rows();
        Ok(self.store.writer.run(move |connection| outbox_rows::backlog(connection, &rows)).await?)
    }
}
