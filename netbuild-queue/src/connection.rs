//! Whether a store has its server.

use netbuild_core::model::Timestamp;

/// The state of a store's connection to its server, for people and metrics. No call is decided by it: a connection can be
/// dead and not know it yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// The server answers.
    Connected,
    /// The connection is lost; the store tries to make it again, for as long as it takes.
    Lost {
        /// Since when.
        since: Timestamp,
        /// How often it was tried to make it again.
        tries: u32,
    },
}
