//! A store in a PostgreSQL database.

mod session;
mod store;

pub use session::PostgresStoreError;
pub use store::PostgresStore;
