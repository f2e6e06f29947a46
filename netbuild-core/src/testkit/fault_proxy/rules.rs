//! What the proxy does with bytes now.

use std::time::Duration;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// The rules for all connections. Each change is seen by all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    /// No connection lives.
    pub(super) cut: bool,
    /// How often all connections were ended: those begun before a change of it end.
    pub(super) ended: u64,
    /// No byte passes.
    pub(super) to_server_swallowed: bool,
    pub(super) to_client_swallowed: bool,
    pub(super) delay: Duration,
}

impl Rules {
    pub(super) fn swallows(&self, direction: Direction) -> bool {
        match direction {
            Direction::ToServer => self.to_server_swallowed,
            Direction::ToClient => self.to_client_swallowed,
        }
    }
}
