//! What can happen to connections.

use std::time::Duration;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToUpstream,
    /// From the server to the client.
    ToClient,
    /// Either.
    Both,
}

impl Direction {
    pub(super) fn covers(self, other: Direction) -> bool {
        self == Direction::Both || self == other
    }
}

/// What happens to the connections through a proxy. Faults add up until the proxy is healed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// All connections are closed, and new ones are refused by the system, as when the server's process is gone. One
    /// that was just being made may see a reset.
    Cut,
    /// All connections are reset (RST), as by a firewall that forgot them. New ones are welcome. A server to
    /// which one was just being made may see a plain end.
    Reset,
    /// Nothing moves in that direction, and no end of a stream either. Connections stay and new ones are accepted; with
    /// [`Direction::Both`] the server hears of those when the proxy is healed, else at once.
    BlackHole(Direction),
    /// Every piece of up to 16 KiB is held for so long before it goes on; the next one is read then.
    Delay(Duration, Direction),
    /// No more than so many bytes a second, on each connection. 0 is taken as 1.
    Bandwidth(u64, Direction),
    /// After so many more bytes in that direction, of all connections together, a [`Fault::Cut`]: in the middle of a frame.
    /// So many reach a side that reads them, and not one more. With 0 it is cut by the next byte, which does not.
    CutAfter(u64, Direction),
}
