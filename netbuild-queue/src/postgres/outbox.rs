//! The outbox over the database.

use std::sync::Arc;

use async_trait::async_trait;
use netbuild_core::model::PublisherId;
use netbuild_core::port::{Backlog, Event, Message, Outbox, OutboxError, Recorded};

use super::error::Stop;
use super::handle::{Handle, one};
use super::outbox_rows as rows;
use super::session::Values;
use crate::value::{count, int, time, uint};

/// How often a batch is tried again that another publisher's got in the way of: by recording one of its keys at the same
/// moment, for example. Each time at least one of them gets through.
const TRIES: u32 = 20;

/// The outbox of one publisher in a schema of a PostgreSQL database.
///
/// Event keys and build ids are compared over all publishers of the schema: an event that another one recorded is answered
/// with that one's place. The key of a published event is forgotten after
/// [`event_key_age`](super::PostgresOptions::event_key_age); its build is freed as soon as it is published.
///
/// Calls of one publisher that record wait for each other, commit included: that is why its numbers have no gaps. Batches,
/// and several publishers, are the way to record more.
#[derive(Clone, Debug)]
pub struct PostgresOutbox {
    handle: Arc<Handle>,
    publisher: PublisherId,
    epoch: u64,
}

impl PostgresOutbox {
    pub(super) async fn new(handle: Arc<Handle>, publisher: PublisherId) -> Result<Self, OutboxError> {
        let told = |fault| handle.told::<OutboxError>(fault);
        handle.write(rows::MAKE_PUBLISHER, &[&publisher.as_str()]).await.map_err(told)?;
        let found = handle.read(rows::EPOCH, &[&publisher.as_str()]).await;
        let epoch = found.and_then(|found| one(found, "outbox_publisher")).map_err(told)?;
        let epoch = uint(epoch.get(0));
        Ok(PostgresOutbox { handle, publisher, epoch })
    }

    /// Records a batch and hands what is pending to the queue of the same schema, in one transaction: in calm times the
    /// batch itself, which then needs no publisher.
    ///
    /// Older pending events go first, so the order holds. What finds no room in the queue, and what comes after the first
    /// 1,000 beyond the size of the batch, stays pending for the publisher; the batch is accepted in any case. A publisher
    /// may run beside it: what both hand over is stored once within the queue's dedupe window.
    ///
    /// # Errors
    /// [`OutboxError`], as [`record`](Outbox::record).
    pub async fn record_and_publish(&self, batch: &[Event]) -> Result<Vec<Recorded>, OutboxError> {
        let recorded = self.record_repeatedly(batch, true).await?;
        self.handle.news.tell();
        Ok(recorded)
    }

    async fn record_repeatedly(&self, batch: &[Event], publish: bool) -> Result<Vec<Recorded>, OutboxError> {
        let mut tries = 1;
        loop {
            match self.record_once(batch, publish).await {
                Err(Stop::Fault(fault)) if fault.is_clash() && tries < TRIES => tries += 1,
                recorded => return recorded.map_err(|stop| self.handle.told(stop)),
            }
        }
    }

    async fn record_once(&self, batch: &[Event], publish: bool) -> Result<Vec<Recorded>, Stop<OutboxError>> {
        let mut transaction = self.handle.transaction().await?;
        let mut recorded = self.rows().record(&mut transaction, batch).await;
        if publish && recorded.is_ok() {
            let published = self.rows().publish(&mut transaction, batch.len()).await;
            recorded = published.map_err(Stop::Fault).and(recorded);
        }
        transaction.end(recorded).await
    }

    fn rows(&self) -> rows::Rows<'_> {
        rows::Rows { publisher: &self.publisher, epoch: self.epoch }
    }
}

#[async_trait]
impl Outbox for PostgresOutbox {
    fn publisher(&self) -> (&PublisherId, u64) {
        (&self.publisher, self.epoch)
    }

    async fn record(&self, batch: &[Event]) -> Result<Vec<Recorded>, OutboxError> {
        self.record_repeatedly(batch, false).await
    }

    async fn pending(&self, after: u64, max: usize) -> Result<Vec<Message>, OutboxError> {
        let values: Values<'_> = &[&self.publisher.as_str(), &int(after), &count(max)];
        let found = self.handle.read(rows::PENDING, values).await;
        found.and_then(|found| self.rows().messages(&found)).map_err(|fault| self.handle.told(fault))
    }

    async fn published(&self, seq: u64) -> Result<(), OutboxError> {
        let told = |stop: Stop<OutboxError>| self.handle.told(stop);
        let mut transaction = self.handle.transaction().await.map_err(|fault| told(fault.into()))?;
        let marked = self.rows().published(&mut transaction, seq).await;
        transaction.end(marked.map_err(Stop::Fault)).await.map_err(told)
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        let found = self.handle.read(rows::BACKLOG, &[&self.publisher.as_str()]).await;
        let found = found.and_then(|found| one(found, "outbox_publisher"));
        let row = found.map_err(|fault| self.handle.told::<OutboxError>(fault))?;
        Ok(Backlog { count: uint(row.get(0)), oldest: row.get::<_, Option<i64>>(1).map(time) })
    }
}
