//! The PostgreSQL store keeps the contracts of its ports, also through what happens to the server and the way to it.

#![expect(clippy::unwrap_used, reason = "this is a test")]

mod needs_postgres;
