//! Stores for netbuild: the ports `Queue`, `Outbox` and `Ledger` over databases and brokers.
//!
//! The host opens a store and hands its ports to intake and to the scheduler. Where a store is a database, it gives all
//! three ports over the same data, so that "record the event and enqueue its build" is one transaction.
//!
//! # Features
//! | feature | default | what it gives |
//! |---|---|---|
//! | `sqlite` | yes | module `sqlite`: all three ports in one SQLite file; SQLite is compiled in, nothing to install |
//!
//! # Supported Rust
//! Rust 1.95 and newer.

#[cfg(feature = "sqlite")]
pub mod sqlite;
