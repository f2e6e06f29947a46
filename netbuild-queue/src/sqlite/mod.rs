//! [`Queue`](netbuild_core::port::Queue), [`Outbox`](netbuild_core::port::Outbox) and
//! [`Ledger`](netbuild_core::port::Ledger) in one SQLite file.
//!
//! [`SqliteStore`] opens or makes the file and gives the ports over it. Several stores, also of several processes, may
//! share a file. It must be on a local disk: a network file system is refused. While it is open, a process reads or copies
//! it with SQLite only (`VACUUM INTO` makes a copy): on POSIX, closing any other descriptor of the file takes its locks away.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use netbuild_core::model::PublisherId;
//! use netbuild_core::port::{Outbox, Queue, SystemClock};
//! use netbuild_core::testkit::fixtures::{build, event};
//! use netbuild_queue::sqlite::{SqliteOptions, SqliteStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let path = folder.path().join("netbuild.db");
//! let store = SqliteStore::open(path, SqliteOptions::default(), Arc::new(SystemClock::new())).await?;
//! let outbox = store.outbox(PublisherId::new("api-1")?).await?;
//! let queue = store.queue();
//!
//! let recorded = outbox.record(&[event(build("acme", "site", 1))]).await?;
//! assert!(recorded[0].fresh);
//!
//! let pending = outbox.pending(0, 100).await?;
//! queue.publish(&pending).await?;
//! outbox.published(recorded[0].place.seq).await?;
//!
//! let deliveries = queue.receive(10, Duration::from_secs(1)).await?;
//! assert_eq!(deliveries[0].message, pending[0]);
//! store.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! Where queue and outbox share the file, [`SqliteOutbox::record_and_publish`] does the three steps in one transaction.
//!
//! # Durability
//! Journal mode WAL, `synchronous=FULL`: what was answered with Ok survives `kill -9` and a power cut, as far as the disk
//! keeps what it confirmed. What a crash tore off was never answered; it is dropped when the file is opened next, and told
//! by a warning and by [`SqliteStore::torn_bytes`]. [`Durability`] can be lowered where a power cut may take answered calls back. One thread a store writes: concurrent callers share one commit, so many small calls cost one sync of
//! the disk. A call that fails inside such a commit fails alone.
//!
//! # Answers
//! `Unavailable` means that nothing was written: a full disk, a lock that another process held too long, a call that was
//! not begun before its deadline. `Unknown` means that the commit itself failed or was under way at the deadline. Behind
//! each stands a [`SqliteError`] that names the file and says what to do.
//!
//! # Time
//! What must outlive the process is kept by the wall clock: leases, visibility and dedupe times. A wall clock that is set
//! back makes them longer: what is unacked or leased waits for as long as it went back. One that is set forward makes them
//! shorter: a second delivery is a duplicate, which the ledger absorbs; a lease that ends early is fenced; and event keys are
//! forgotten early, so that an old webhook delivered again is a new event. Let the clock be slewed, not set, while it runs.
//! Calls wait in real time for a thread, so paused tokio time and this store do not go together.
//!
//! # Bounds
//! [`SqliteOptions`] has one for everything that could grow: pending and queued messages, remembered keys, the time of a
//! call, the bytes of the file. The ledger keeps all builds; the file is the bound. The file never shrinks by itself, but
//! its free pages are used again.

mod dead_rows;
mod error;
mod file_system;
mod handle;
mod history_rows;
mod lease_rows;
mod ledger;
mod ledger_rows;
mod open;
mod options;
mod outbox;
mod outbox_rows;
mod queue;
mod queue_rows;
mod schema;
mod site_rows;
mod store;
mod thread;
mod wal_tail;

use crate::value;

pub use error::SqliteError;
pub use ledger::SqliteLedger;
pub use options::{Durability, SqliteOptions};
pub use outbox::SqliteOutbox;
pub use queue::SqliteQueue;
pub use store::SqliteStore;
