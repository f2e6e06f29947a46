//! All accounts and projects that flags could be asked for.
//!
//! A [`Directory`] tells them page by page, so that a million accounts need the memory of one page. [`MemoryDirectory`]
//! holds them itself. With the features `sqlite` and `postgres` `SqliteDirectory` and `PostgresDirectory` read the tables
//! that a host has already, by two queries ([`DirectoryQueries`]).

mod error;
mod json;
mod memory;
mod port;
#[cfg(feature = "postgres")]
mod postgres;
mod queries;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod rows;
#[cfg(feature = "sqlite")]
mod sqlite;
mod walk;

pub use error::DirectoryError;
pub use memory::MemoryDirectory;
pub use port::{Directory, DirectoryAccount, DirectoryProject};
#[cfg(feature = "postgres")]
pub use postgres::PostgresDirectory;
pub use queries::DirectoryQueries;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteDirectory;
pub use walk::{PAGE, Progress};

pub(crate) use walk::walk;
