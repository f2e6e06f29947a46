//! The publisher through calm times, partitions and restarts, in paused time.

#![expect(clippy::unwrap_used, reason = "this is a test; a lock is poisoned only by a test that failed")]

mod broker;
mod conform;
mod full;
mod hung_outbox;
mod partition;
mod side_by_side;
