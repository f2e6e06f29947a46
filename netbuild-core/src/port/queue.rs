//! The port of the broker between the API side and the scheduler side.

use std::time::Duration;

use async_trait::async_trait;

use super::dead_letters::DeadLetters;
use super::error::{Effect, Source};
use super::message::Message;
use crate::model::Timestamp;

/// A message that the queue handed out and waits to hear about.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// What to name in [`Queue::ack`] or [`Queue::nack`].
    pub receipt: Receipt,
    /// How often it was handed out, this time included: 1 for the first time.
    pub deliveries: u32,
}

/// The queue's own handle of one delivery. It is good until the delivery is acked, nacked or handed out again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Receipt(pub String);

/// How much waits in a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Messages not yet handed out, or handed back.
    pub ready: u64,
    /// Messages handed out and not yet acked.
    pub unacked: u64,
    /// When the oldest of them was published, where the backend can tell.
    pub oldest: Option<Timestamp>,
    /// Dead letters, which wait for a person.
    pub dead: u64,
}

/// What a queue can do beyond the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueCapabilities {
    /// A batch is published whole or not at all.
    pub atomic_batch: bool,
    /// A message whose id was published before is confirmed and not stored again, for how long. `None`: never. The
    /// ledger deduplicates in any case.
    pub dedupe_window: Option<Duration>,
    /// Messages survive the end of every process that uses the queue.
    pub durable: bool,
    /// After [`Queue::receive`], how long until an unacked message is handed out again.
    pub redelivery_after: Duration,
    /// After how many deliveries without an ack a message becomes a dead letter. `None`: never.
    pub max_deliveries: Option<u32>,
}

/// A broker: small messages in, each handed out at least once.
///
/// # Contract
/// - `publish` answers Ok only when every message of the batch is stored durably and confirmed. On an error of
///   unknown effect the caller repeats the batch with the same ids; on one without effect nothing was stored.
/// - Messages that one caller published one after another are handed out for the first time in that order. Redelivered
///   ones may come later than their successors: order is judged at admit, by [`Place`](crate::model::Place).
/// - A delivery that is neither acked nor nacked within `redelivery_after`, or whose consumer is lost, is handed out
///   again, to this or another consumer.
/// - A message that cannot be read, or was handed out [`max_deliveries`](QueueCapabilities::max_deliveries) times without an
///   ack, becomes a [dead letter](DeadLetters) instead of being handed out; the others go on.
/// - A queue that lost its connection finds its way back by itself, for as long as it takes; calls fail meanwhile, each
///   within a bound of time.
/// - A queue does not fence: `ack` can be Ok for a delivery that was meanwhile handed out again. So the caller writes to
///   the ledger first and acks afterwards; an ack that is lost costs a duplicate, which the ledger absorbs.
/// - Every call can be dropped at any await point; messages of a dropped `receive` are handed out again.
/// - Any message of at most [`MAX_MESSAGE_BYTES`](super::MAX_MESSAGE_BYTES) is taken.
///
/// # Why this way
/// Brokers end long deliveries (RabbitMQ closes the channel after 30 minutes) and accept late acks, so none can hold a
/// build while it runs. The queue is transport only; the lease is the ledger's. With batches every backend pays one
/// round trip or one commit for many messages.
///
/// # How each backend satisfies it
/// | backend | publish | receive and redelivery | receipt |
/// |---|---|---|---|
/// | memory | a list under a lock | a visibility time | delivery number |
/// | SQLite | one transaction, `synchronous=FULL` | a visibility time in the row | row and delivery number |
/// | Postgres | one transaction | moved from ready to handed, `FOR UPDATE SKIP LOCKED`, a visibility time; LISTEN/NOTIFY ends the wait | row and delivery number |
/// | NATS JetStream | publish with message id, every PubAck awaited | pull consumer, `ack_wait` | the reply subject |
/// | RabbitMQ | publisher confirms, mandatory, returned = failed | prefetch, lost channel | connection generation and tag |
#[async_trait]
pub trait Queue: DeadLetters {
    /// What this queue can do beyond the contract.
    fn capabilities(&self) -> QueueCapabilities;

    /// Stores a batch, in order.
    ///
    /// # Errors
    /// [`QueueError`]; see the contract for what may have been stored.
    async fn publish(&self, batch: &[Message]) -> Result<(), QueueError>;

    /// Hands out at most `max` messages, waiting at most `wait` for the first.
    ///
    /// # Errors
    /// [`QueueError`]; nothing is lost.
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError>;

    /// Forgets deliveries for ever. A receipt that is no longer good is ignored.
    ///
    /// # Errors
    /// [`QueueError`]; repeating the call is harmless.
    async fn ack(&self, receipts: &[Receipt]) -> Result<(), QueueError>;

    /// Gives deliveries back, to be handed out again after a time. A receipt that is no longer good is ignored.
    ///
    /// # Errors
    /// [`QueueError`]; repeating the call is harmless.
    async fn nack(&self, receipts: &[Receipt], after: Duration) -> Result<(), QueueError>;

    /// How much waits.
    ///
    /// # Errors
    /// [`QueueError`].
    async fn depth(&self) -> Result<Depth, QueueError>;
}

/// Why a queue failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The queue is full: nothing was stored. Keep the messages and try later.
    #[error("the queue is full at {limit} messages; nothing was stored")]
    Full {
        /// Its bound.
        limit: u64,
    },
    /// A breaker in front of it is open: nothing was sent. Try again after that time.
    #[error("the queue failed too often and is left alone for {retry_after:?}; nothing was stored")]
    Paused {
        /// When a next try may be let through.
        retry_after: Duration,
    },
    /// It cannot be reached, or refused: nothing happened. Try later.
    #[error("the queue is not available; nothing was stored")]
    Unavailable(#[source] Source),
    /// It gave no answer in time: the call may have had its effect. Repeat it with the same ids.
    #[error("the queue gave no answer; the call may have had its effect")]
    Unknown(#[source] Source),
    /// What it holds cannot be read. A person must look.
    #[error("the queue holds something that cannot be read")]
    Corrupt(#[source] Source),
}

impl QueueError {
    /// Whether the call may have had its effect.
    pub fn effect(&self) -> Effect {
        match self {
            QueueError::Unknown(_) => Effect::Unknown,
            QueueError::Full { .. }
            | QueueError::Paused { .. }
            | QueueError::Unavailable(_)
            | QueueError::Corrupt(_) => Effect::None,
        }
    }
}
