//! Definitions that are kept with their history: who changed what, when, why, from what to what.
//!
//! A [`Store`] is a [`Source`](crate::source::Source) as well: a [`Watcher`](crate::source::Watcher) over it brings each
//! change to its process within a second.
//!
//! | store | feature | a change reaches other processes |
//! |---|---|---|
//! | [`MemoryStore`] | | at once; it has one process |
//! | `SqliteStore` | `sqlite` | within a quarter of a second, by looking |
//! | `PostgresStore` | `postgres` | at once by `LISTEN` and `NOTIFY`, within a second by looking where a notification is lost |

mod change;
mod memory;
mod port;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod text;

pub use change::{Change, Changed, Edit};
pub use memory::MemoryStore;
pub use port::{Revision, Store, StoreError};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresStore, PostgresStoreError};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;
