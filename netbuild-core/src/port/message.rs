//! What travels through the queue.

use serde::{Deserialize, Serialize};

use crate::model::{Build, Place};

/// What travels from the outbox through the queue to the ledger: a whole build and its place in the order.
///
/// The build's id is the message's id: every queue deduplicates by it where it can, and the ledger always does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Where its event stands in its publisher's order.
    pub place: Place,
    /// The build.
    pub build: Build,
}

/// The most bytes of a message on its way: 256 KiB, a quarter of what brokers take by default.
///
/// An outbox refuses a build that would make a longer one, so that no queue has to: a message that a broker refuses for
/// ever would hold up all that stand behind it.
pub const MAX_MESSAGE_BYTES: usize = 256 << 10;

impl Message {
    /// The message as JSON, as queues keep it.
    pub fn to_wire(&self) -> String {
        serde_json::to_string(self).expect("structs and maps of strings are always JSON")
    }

    /// Reads what [`to_wire`](Self::to_wire) wrote.
    ///
    /// # Errors
    /// [`UnreadableMessage`], which tells where the bytes stop being a message and repeats nothing of them.
    pub fn from_wire(bytes: &[u8]) -> Result<Self, UnreadableMessage> {
        serde_json::from_slice(bytes).map_err(|error| UnreadableMessage {
            line: error.line(),
            column: error.column(),
            bytes: bytes.len(),
        })
    }
}

/// Bytes that are no message: foreign, cut off, or of another version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes are no message from line {line}, column {column}: foreign, cut off, or of another version")]
pub struct UnreadableMessage {
    /// The line of the error, from 1.
    pub line: usize,
    /// Its column.
    pub column: usize,
    /// The length of all.
    pub bytes: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::fixtures::{build, message};

    #[test]
    fn a_message_crosses_the_wire_and_what_is_no_message_is_not_repeated() {
        let message = message("api", 7, build("acme", "site", 7));
        let wire = message.to_wire();
        assert_eq!(Message::from_wire(wire.as_bytes()), Ok(message));
        for foreign in [&b"canary"[..], b"", b"{\"place\":\"canary\"}", b"\xff\xfe", &wire.as_bytes()[..wire.len() - 1]]
        {
            let error = Message::from_wire(foreign).unwrap_err();
            assert_eq!(error.bytes, foreign.len());
            assert!(!error.to_string().contains("canary"));
        }
    }
}
