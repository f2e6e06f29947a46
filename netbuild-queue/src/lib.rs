//! Stores for netbuild: the ports [`Queue`](netbuild_core::port::Queue), [`Outbox`](netbuild_core::port::Outbox) and
//! [`Ledger`](netbuild_core::port::Ledger) over databases and brokers.
//!
//! # Features
//! | feature | backend | queue | outbox | ledger |
//! |---|---|---|---|---|
//! | `sqlite` (default) | one SQLite file, bundled | yes | yes | yes |
//!
//! # Versions
//! The minimum supported Rust version is 1.95. Files are migrated forward by themselves, never back.

#[cfg(feature = "sqlite")]
pub mod sqlite;
