//! Queue, Outbox and Ledger in one SQLite file: no server, nothing to install.
//!
//! Open a [`SqliteStore`] and take from it what is needed. The file is in WAL mode with `synchronous=FULL`: what was
//! answered with Ok survives `kill -9` and a power cut. One thread owns the connection; callers that come at the same time
//! share one commit, which is why the cost of durability does not grow with their number.
//!
//! ```
//! # async fn example(folder: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use netbuild_core::model::PublisherId;
//! use netbuild_core::port::{Outbox, SystemClock};
//! use netbuild_queue::sqlite::{SqliteOptions, SqliteStore};
//!
//! let clock = Arc::new(SystemClock::new());
//! let store = SqliteStore::open(folder.join("netbuild.db"), SqliteOptions::default(), clock).await?;
//! let outbox = store.outbox(PublisherId::new("api-1")?).await?;
//! assert_eq!(outbox.backlog().await?.count, 0);
//! # Ok(())
//! # }
//! # let folder = tempfile::tempdir().unwrap();
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(example(folder.path())).unwrap();
//! ```

mod build_rows;
mod deploy_rows;
mod error;
mod lease_rows;
mod ledger;
mod options;
mod outbox;
mod outbox_rows;
mod queue;
mod queue_rows;
mod schema;
mod store;
mod writer;

pub use error::OpenError;
pub use ledger::SqliteLedger;
pub use options::SqliteOptions;
pub use outbox::SqliteOutbox;
pub use queue::SqliteQueue;
pub use store::SqliteStore;
