//! The port of the API side's record: accepted once it is here.

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::error::{Effect, Source};
use super::message::{MAX_MESSAGE_BYTES, Message};
use crate::model::{Build, BuildId, Place, PublisherId, Timestamp};

/// What makes two events one: a redelivered webhook has the key of the first. Made by intake of (tenant, repository id,
/// ref, before, after, event), or by the host for an explicit rebuild. 1 to 512 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventKey(pub String);

/// The longest [`EventKey`], in bytes.
pub const MAX_EVENT_KEY_BYTES: usize = 512;

/// An accepted event: its key and the build that it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What makes it one with its repetitions. The tenant is part of the comparison: equal keys of two accounts are two
    /// events.
    pub key: EventKey,
    /// The build.
    pub build: Build,
}

/// The most bytes of a build as JSON: with its place it fits into a [message](MAX_MESSAGE_BYTES).
pub const MAX_BUILD_BYTES: usize = MAX_MESSAGE_BYTES - 1024;

impl Event {
    /// Checks the bounds of key and build, and gives the build as JSON. What every outbox does before it records.
    ///
    /// # Errors
    /// [`OutboxError::InvalidKey`] and [`OutboxError::TooLarge`].
    pub fn checked(&self) -> Result<String, OutboxError> {
        if self.key.0.is_empty() || self.key.0.len() > MAX_EVENT_KEY_BYTES {
            return Err(OutboxError::InvalidKey);
        }
        let build = serde_json::to_string(&self.build).expect("structs and maps of strings are always JSON");
        if build.len() > MAX_BUILD_BYTES {
            return Err(OutboxError::TooLarge { build: self.build.id, bytes: build.len() });
        }
        Ok(build)
    }
}

/// What the outbox answers for an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its place in the order.
    pub place: Place,
    /// The build that stands for it: for a repeated event the first one's.
    pub build: BuildId,
    /// Whether this call recorded it; `false` for a repetition.
    pub fresh: bool,
}

/// How much is recorded and not yet confirmed by the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Messages.
    pub count: u64,
    /// When the oldest of them was recorded.
    pub oldest: Option<Timestamp>,
}

/// A durable, ordered record of accepted events. An event is accepted once `record` answered Ok for it.
///
/// # Contract
/// - `record` gives each fresh event the next `seq` of this publisher's epoch, in the order of the batch, without gaps,
///   and answers Ok only when all of it is durable: it then survives `kill -9` and a power cut. A repeated key answers
///   with the place and build of the first.
/// - A batch is recorded whole or not at all. A build larger than [`MAX_BUILD_BYTES`] is refused
///   ([`OutboxError::TooLarge`]), and so is a batch that would pass the bound on what is pending
///   ([`OutboxError::Full`]).
/// - `pending` gives what is not marked published, oldest first, starting after a `seq`; it changes nothing.
/// - `published` marks everything up to and with a `seq`; repeating it is harmless.
/// - Opening after a crash finds every acknowledged event; a torn tail of unacknowledged ones is dropped and told.
///
/// # Why this way
/// It is the record and the fallback for an absent broker in one. A store that is used only while the broker is away has two
/// orders and a moment at which both are written; with one, a partition only makes `pending` longer.
///
/// # How each backend satisfies it
/// | backend | record | order |
/// |---|---|---|
/// | memory | a list under a lock; not durable, for tests | list position |
/// | SQLite | one transaction for all concurrent callers, `synchronous=FULL` | counter row in the same transaction |
/// | Postgres | one transaction, `synchronous_commit=on` | counter row per publisher, locked by the transaction |
/// | the host's own event table | a view of it | its own sequence, if it has no gaps and is given at commit |
#[async_trait]
pub trait Outbox: Debug + Send + Sync + 'static {
    /// The publisher and epoch of every place that this outbox gives.
    fn publisher(&self) -> (&PublisherId, u64);

    /// Records a batch.
    ///
    /// # Errors
    /// [`OutboxError`]; on [`Effect::Unknown`] repeat the batch: its keys make that harmless.
    async fn record(&self, batch: &[Event]) -> Result<Vec<Recorded>, OutboxError>;

    /// At most `max` unpublished messages with a `seq` above `after`, oldest first.
    ///
    /// # Errors
    /// [`OutboxError`].
    async fn pending(&self, after: u64, max: usize) -> Result<Vec<Message>, OutboxError>;

    /// Marks every message up to and with `seq` as confirmed by the queue.
    ///
    /// # Errors
    /// [`OutboxError`]; then they stay pending and are published again.
    async fn published(&self, seq: u64) -> Result<(), OutboxError>;

    /// How much is pending.
    ///
    /// # Errors
    /// [`OutboxError`].
    async fn backlog(&self) -> Result<Backlog, OutboxError>;
}

/// Why an outbox failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// The batch would pass the bound: nothing was recorded. Refuse the event to its sender.
    #[error("the outbox is full at {limit} pending messages; nothing was recorded")]
    Full {
        /// Its bound on pending messages.
        limit: u64,
    },
    /// An event key is empty or too long: nothing was recorded.
    #[error("an event key has 1 to {MAX_EVENT_KEY_BYTES} bytes; nothing was recorded")]
    InvalidKey,
    /// A build is larger than [`MAX_BUILD_BYTES`]: nothing was recorded. Refuse the event to its sender.
    #[error("the build {build} has {bytes} bytes as JSON, more than {MAX_BUILD_BYTES}; nothing was recorded")]
    TooLarge {
        /// The build.
        build: BuildId,
        /// Its bytes as JSON.
        bytes: usize,
    },
    /// A build id was recorded before under another key: nothing was recorded. Give each build an id of its own.
    #[error("the build id {0} was recorded before under another event key; nothing was recorded")]
    BuildIdTaken(BuildId),
    /// It cannot be reached or written, a full disk included: nothing was recorded.
    #[error("the outbox is not available; nothing was recorded")]
    Unavailable(#[source] Source),
    /// It gave no answer: the batch may be recorded. Repeat it.
    #[error("the outbox gave no answer; the batch may be recorded")]
    Unknown(#[source] Source),
    /// What it holds cannot be read. A person must look.
    #[error("the outbox holds something that cannot be read")]
    Corrupt(#[source] Source),
}

impl OutboxError {
    /// Whether the batch itself is refused, so that repeating it cannot help: tell its sender, and do not ask for it again.
    pub fn is_refusal(&self) -> bool {
        match self {
            OutboxError::InvalidKey | OutboxError::TooLarge { .. } | OutboxError::BuildIdTaken(_) => true,
            OutboxError::Full { .. }
            | OutboxError::Unavailable(_)
            | OutboxError::Unknown(_)
            | OutboxError::Corrupt(_) => false,
        }
    }

    /// Whether the call may have had its effect.
    pub fn effect(&self) -> Effect {
        match self {
            OutboxError::Unknown(_) => Effect::Unknown,
            OutboxError::Full { .. }
            | OutboxError::InvalidKey
            | OutboxError::TooLarge { .. }
            | OutboxError::BuildIdTaken(_)
            | OutboxError::Unavailable(_)
            | OutboxError::Corrupt(_) => Effect::None,
        }
    }
}
