//! The stores in memory: as strict as the durable ones, and gone with the process.
//!
//! For tests, simulations and trying things out. They pass the conformance suites of `testkit`. Each is bounded and reads
//! the time from the [`Clock`](crate::port::Clock) it is given.

mod ledger;
mod ledger_state;
mod log_store;
mod outbox;
mod queue;

pub use ledger::MemoryLedger;
pub use log_store::MemoryLogStore;
pub use outbox::MemoryOutbox;
pub use queue::MemoryQueue;
