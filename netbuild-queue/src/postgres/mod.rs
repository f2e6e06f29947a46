//! [`Queue`](netbuild_core::port::Queue), [`Outbox`](netbuild_core::port::Outbox) and
//! [`Ledger`](netbuild_core::port::Ledger) in one schema of a PostgreSQL database, version 14 or newer.
//!
//! [`PostgresStore`] opens or makes the schema and gives the ports over it. Any number of stores, of any number of
//! processes and machines, share a schema.
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use netbuild_core::model::PublisherId;
//! use netbuild_core::port::{Outbox, Queue, SystemClock};
//! use netbuild_core::testkit::fixtures::{build, event};
//! use netbuild_queue::postgres::{PostgresOptions, PostgresStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let address = "postgres://ci:password@localhost:5432/ci";
//! let store = PostgresStore::open(address, PostgresOptions::default(), Arc::new(SystemClock::new())).await?;
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
//! # Ok(())
//! # }
//! ```
//!
//! Where queue and outbox share the schema, [`PostgresOutbox::record_and_publish`] does the three steps in one transaction.
//!
//! # What each promise rests on
//! | promise | rests on | when it is not so |
//! |---|---|---|
//! | what was answered with Ok survives `kill -9` and a power cut | `synchronous_commit=on`, which comes with each connection, above the defaults of role and database, and is read back | the connection is refused ([`PostgresError::Setting`]) |
//! | | `fsync=on` and `full_page_writes=on` of the server | refused ([`PostgresError::Lossy`]) unless [`allow_lossy`](PostgresOptions::allow_lossy) |
//! | it survives the loss of the server's machine | `synchronous_standby_names` of the server: **not checked** | a failover to an asynchronous standby loses what it had not heard |
//! | a batch is stored whole or not at all | one transaction a call | |
//! | one caller's messages are handed out in order | ids of a sequence, taken from the front | |
//! | a message is handed out to one consumer at a time | `FOR UPDATE SKIP LOCKED` and a time in the row, of the database's clock | |
//! | the numbers of an outbox have no gaps | a counter row for each publisher, locked until the commit | |
//! | a leader that lost the lease writes nothing | the lease row, locked by the transaction that writes | |
//! | of two activations the newer build's stays visible | compared under that lock | |
//!
//! # Answers
//! `Unavailable` means that nothing was written: no connection, a statement that the server refused, a connection that was lost
//! or a deadline that passed before the commit was on its way. `Unknown` means that it was on its way. A call ends within
//! [`call_deadline`](PostgresOptions::call_deadline), also when the server is frozen; after a call that did not end well its
//! connection is thrown away, so no call meets the rest of another. Behind each error stands a [`PostgresError`] that names
//! the server and says what to do. No password and nothing that stands in a row gets into it.
//!
//! # Connection
//! Connections are made when calls need them. One more hears and tells the news by `LISTEN` and `NOTIFY`: that messages were
//! published, once for any number of batches that come close. They end a wait early, and nothing depends on them: every
//! waiting `receive` looks by itself several times a second. The same connection asks the server every five seconds whether it
//! answers, is made again with growing pauses of at most five seconds for as long as that takes, and tells it by `tracing`
//! and by [`PostgresStore::connection`].
//!
//! A pooler between in transaction mode (pgbouncer) does not serve: prepared statements, settings and news belong to a
//! session. TLS is for who opens the store to bring ([`PostgresStore::open_with_tls`]), so that this crate brings no second
//! stack of it; [`PostgresStore::open`] goes without.
//!
//! # Time
//! Every time that is compared is the database's: leases, visibility, dedupe, age of keys. Clocks of the processes do not count.
//!
//! # Bounds and load
//! [`PostgresOptions`] has a bound for everything that could grow. The ledger keeps all builds; the disk is the bound. Every
//! statement finds its rows by an index, and the queue is read at its front only: a call costs the same on top of any backlog.
//! What was deleted must be vacuumed: the tables are set to be so early and often, and a transaction of somebody else that
//! stays open for hours on this server keeps that from happening, as it does for every queue in PostgreSQL
//! (`idle_in_transaction_session_timeout` on the server bounds it).
//!
//! # Rights
//! The role that opens the schema first, or first after an upgrade, needs to make it (`CREATE` on the database, or own it). Any
//! other does with `USAGE` on the schema and `SELECT`, `INSERT`, `UPDATE`, `DELETE` on its tables.

mod dead_rows;
mod dial;
mod error;
mod handle;
mod history_rows;
mod lease_rows;
mod ledger;
mod ledger_rows;
mod news;
mod options;
mod outbox;
mod outbox_rows;
mod pool;
mod queue;
mod queue_rows;
mod schema;
mod session;
mod site_rows;
mod store;

pub use error::{PostgresError, ServerSaid};
pub use ledger::PostgresLedger;
pub use options::PostgresOptions;
pub use outbox::PostgresOutbox;
pub use queue::PostgresQueue;
pub use store::PostgresStore;
pub use tokio_postgres;
