//! For whom flags are on, who would move and which flags are stale, over directories in memory and in databases.

#![expect(clippy::unwrap_used, reason = "this is a test")]

mod counts;
mod million;
#[cfg(feature = "postgres")]
mod needs_postgres;
mod preview;
#[cfg(feature = "sqlite")]
mod sqlite;
mod stale;
mod support;
mod walk;
