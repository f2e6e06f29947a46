//! The port of what a queue does not hand out any more.

use std::fmt::Debug;

use async_trait::async_trait;

use super::message::Message;
use super::queue::{QueueError, Receipt};
use crate::model::Timestamp;

/// A message that the queue does not hand out any more, kept for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// What to name in [`DeadLetters::redrive`] and [`DeadLetters::discard`].
    pub id: DeadLetterId,
    /// What it holds.
    pub body: DeadBody,
    /// Why it is here.
    pub reason: DeadReason,
    /// How often it was handed out.
    pub deliveries: u32,
    /// When it came here, where the backend can tell.
    pub died_at: Option<Timestamp>,
}

/// The queue's own name of one dead letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeadLetterId(pub String);

/// What a dead letter holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadBody {
    /// A message.
    Message(Box<Message>),
    /// Bytes that are no message, whole.
    Unreadable(Vec<u8>),
}

/// Why a message is a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadReason {
    /// What the queue held is no message; the text says where it stops being one.
    Unreadable(String),
    /// It was handed out [`max_deliveries`](super::QueueCapabilities::max_deliveries) times and never acked.
    TooManyDeliveries,
    /// A consumer buried it, for this reason.
    Buried(String),
}

/// The longest reason of a burial, in bytes; a longer one is cut at a character.
pub const MAX_REASON_BYTES: usize = 1024;

/// Cuts a reason for [`DeadLetters::bury`] to [`MAX_REASON_BYTES`], at a character.
pub fn bounded_reason(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(MAX_REASON_BYTES)]
}

/// The dead letters of a queue: messages that cannot be read, that nobody ever acks, or that a consumer buried.
///
/// # Contract
/// - What is here is kept as durably as the queue keeps its messages, until a person discards or redrives it. It takes no
///   room of the queue's bound.
/// - `bury` moves deliveries here. A crash between may leave a message in both places, never in none.
/// - `redrive` puts messages back behind all others, their deliveries counted anew. A dedupe window does not swallow them.
///   A queue whose bound is its broker's may refuse them while it is full ([`QueueError::Full`]); then they stay. What cannot
///   be read goes back too: it may have been written by a newer version, and dies again if not. Ids that are not here are
///   passed over.
/// - `discard` forgets for ever. Ids that are not here are passed over.
///
/// # Why this way
/// A message that ends `receive` with an error, or that is handed out for ever, stops all that stand behind it. It is
/// accepted all the same, so it is not dropped: it waits here, is counted in [`Depth::dead`](super::Depth::dead), and comes
/// back when what was wrong is mended.
#[async_trait]
pub trait DeadLetters: Debug + Send + Sync + 'static {
    /// Moves deliveries here, with a reason of at most [`MAX_REASON_BYTES`] bytes; a longer one is cut. Receipts that are
    /// no longer good are ignored.
    ///
    /// # Errors
    /// [`QueueError`]; repeating the call is harmless.
    async fn bury(&self, receipts: &[Receipt], reason: &str) -> Result<(), QueueError>;

    /// At most `max` dead letters, oldest first. It changes nothing.
    ///
    /// # Errors
    /// [`QueueError`].
    async fn dead_letters(&self, max: usize) -> Result<Vec<DeadLetter>, QueueError>;

    /// Puts dead letters back into the queue, and answers how many.
    ///
    /// # Errors
    /// [`QueueError`]; after one of unknown effect list again before you repeat the call.
    async fn redrive(&self, ids: &[DeadLetterId]) -> Result<u64, QueueError>;

    /// Forgets dead letters, and answers how many.
    ///
    /// # Errors
    /// [`QueueError`]; repeating the call is harmless.
    async fn discard(&self, ids: &[DeadLetterId]) -> Result<u64, QueueError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_at_a_character() {
        let long = "é".repeat(MAX_REASON_BYTES);
        assert_eq!(bounded_reason(&long).len(), MAX_REASON_BYTES);
        assert_eq!(bounded_reason(&format!("x{long}")).len(), MAX_REASON_BYTES - 1);
        assert_eq!(bounded_reason("short"), "short");
    }
}
