//! The queue over the database.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::port::{
    DeadLetter, DeadLetterId, DeadLetters, Delivery, Depth, Message, Queue, QueueCapabilities, QueueError, Receipt,
    bounded_reason,
};
use tokio::time::{Instant, timeout};
use tokio_postgres::Row;

use super::dead_rows::{self, Burial};
use super::error::Fault;
use super::handle::Handle;
use super::queue_rows as rows;
use super::session::Values;
use crate::value::{count, uint};

/// The shortest and the longest time after which a waiting `receive` looks without having news: for what is due again, and
/// for news that were lost. At random between, so that consumers do not look all at once.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_millis(150), Duration::from_millis(350));

/// The queue in a schema of a PostgreSQL database.
///
/// A publish by this store ends the wait of its `receive` at once; one by another store within milliseconds, and within
/// 350 ms at the latest.
#[derive(Clone, Debug)]
pub struct PostgresQueue {
    handle: Arc<Handle>,
}

impl PostgresQueue {
    pub(super) fn new(handle: Arc<Handle>) -> Self {
        PostgresQueue { handle }
    }

    /// Takes what is due. What is dead is buried on the way, and its place left to others.
    async fn take(&self, max: usize) -> Result<Vec<Delivery>, Fault> {
        let options = &self.handle.options;
        let held = rows::span(options.redelivery_after);
        let mut deliveries = Vec::new();
        loop {
            let left = count(max - deliveries.len());
            let taken = self.handle.write(rows::TAKE, &[&left, &held]).await?;
            let mut dead = Vec::new();
            for row in &taken {
                match rows::judge(row, options.max_deliveries.unwrap_or(u32::MAX)) {
                    Ok(delivery) => deliveries.push(delivery),
                    Err(letter) => dead.push(letter),
                }
            }
            if dead.is_empty() {
                return Ok(deliveries);
            }
            let buried = self.bury_all(&Burial::of(&dead)).await;
            for letter in dead {
                tracing::error!(row = letter.id, reason = ?letter.reason, "a message is a dead letter now");
            }
            match buried {
                Ok(()) => {}
                // What is alive is handed out all the same; the dead are met again when they are due again.
                Err(_) if !deliveries.is_empty() => return Ok(deliveries),
                Err(fault) => return Err(fault),
            }
        }
    }

    async fn bury_all(&self, burial: &Burial) -> Result<(), Fault> {
        let Burial { ids, deliveries, kinds, reasons, counts } = burial;
        self.handle.write(dead_rows::BURY, &[ids, deliveries, kinds, reasons, counts]).await.map(drop)
    }

    async fn write(&self, sql: &'static str, values: Values<'_>) -> Result<Vec<Row>, QueueError> {
        self.handle.write(sql, values).await.map_err(|fault| self.handle.told(fault))
    }

    async fn read(&self, sql: &'static str, values: Values<'_>) -> Result<Vec<Row>, QueueError> {
        self.handle.read(sql, values).await.map_err(|fault| self.handle.told(fault))
    }
}

#[async_trait]
impl Queue for PostgresQueue {
    fn capabilities(&self) -> QueueCapabilities {
        let options = &self.handle.options;
        QueueCapabilities {
            atomic_batch: true,
            dedupe_window: (!options.dedupe_window.is_zero()).then_some(options.dedupe_window),
            durable: true,
            redelivery_after: options.redelivery_after,
            max_deliveries: options.max_deliveries,
        }
    }

    async fn publish(&self, batch: &[Message]) -> Result<(), QueueError> {
        if batch.is_empty() {
            return Ok(());
        }
        let told = |stop| self.handle.told(stop);
        let mut transaction = self.handle.transaction().await.map_err(|fault| told(fault.into()))?;
        let published = rows::publish(&mut transaction, batch).await;
        transaction.end(published).await.map_err(told)?;
        self.handle.news.tell();
        Ok(())
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let start = Instant::now();
        loop {
            // Before the look, so that a publish right after it is not missed.
            let changed = self.handle.news.changed();
            let deliveries = match max {
                0 => Vec::new(),
                _ => self.take(max).await.map_err(|fault| self.handle.told::<QueueError>(fault))?,
            };
            let left = wait.saturating_sub(start.elapsed());
            if !deliveries.is_empty() || max == 0 || left.is_zero() {
                return Ok(deliveries);
            }
            let (shortest, longest) = LOOK_EVERY;
            let pause = shortest + (longest - shortest).mul_f64(fastrand::f64());
            // Either way the next round looks and decides.
            let _ = timeout(left.min(pause), changed).await;
        }
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        let (ids, deliveries) = rows::parse(receipts);
        if ids.is_empty() {
            return Ok(());
        }
        self.write(rows::ACK, &[&ids, &deliveries]).await.map(drop)
    }

    async fn nack(&self, receipts: &[Receipt], after: Duration) -> Result<(), QueueError> {
        let (ids, deliveries) = rows::parse(receipts);
        if ids.is_empty() {
            return Ok(());
        }
        self.write(rows::NACK, &[&ids, &deliveries, &rows::span(after)]).await?;
        self.handle.news.tell();
        Ok(())
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        Ok(rows::depth(&self.read(rows::DEPTH, &[]).await?[0]))
    }
}

#[async_trait]
impl DeadLetters for PostgresQueue {
    async fn bury(&self, receipts: &[Receipt], reason: &str) -> Result<(), QueueError> {
        let (ids, deliveries) = rows::parse(receipts);
        if ids.is_empty() {
            return Ok(());
        }
        let burial = Burial::by_consumer(ids, deliveries, bounded_reason(reason));
        self.bury_all(&burial).await.map_err(|fault| self.handle.told(fault))
    }

    async fn dead_letters(&self, max: usize) -> Result<Vec<DeadLetter>, QueueError> {
        let rows = self.read(dead_rows::LIST, &[&count(max)]).await?;
        let letters: Result<_, Fault> = rows.iter().map(dead_rows::letter).collect();
        letters.map_err(|fault| self.handle.told(fault))
    }

    async fn redrive(&self, ids: &[DeadLetterId]) -> Result<u64, QueueError> {
        let moved = self.write(dead_rows::REDRIVE, &[&dead_rows::parse(ids)]).await?;
        self.handle.news.tell();
        Ok(uint(moved[0].get(0)))
    }

    async fn discard(&self, ids: &[DeadLetterId]) -> Result<u64, QueueError> {
        let discarded = self.write(dead_rows::DISCARD, &[&dead_rows::parse(ids)]).await?;
        Ok(uint(discarded[0].get(0)))
    }
}
