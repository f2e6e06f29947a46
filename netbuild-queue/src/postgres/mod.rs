//! [`Queue`](netbuild_core::port::Queue), [`Outbox`](netbuild_core::port::Outbox) and
//! [`Ledger`](netbuild_core::port::Ledger) in one schema of a PostgreSQL database.

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
