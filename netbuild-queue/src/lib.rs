//! Stores for netbuild: the ports `Queue`, `Outbox` and `Ledger` over databases and brokers.
//!
//! The host opens a store and hands its ports to intake and to the scheduler. Where a store is a database, it gives all
//! three ports over the same data, so that "record the event and enqueue its build" is one transaction.
//!
//! # Features
//! | feature | default | what it gives |
//! |---|---|---|
//! | `sqlite` | yes | module `sqlite`: all three ports in one SQLite file; SQLite is compiled in, nothing to install |
//! | `nats` | no | module `nats`: the queue in a stream of NATS JetStream, by async-nats |
//! | `postgres` | no | module `postgres`: all three ports in one schema of a PostgreSQL database; by tokio-postgres, no C library |
//! | `amqp` | no | module `amqp`: the queue over RabbitMQ, a quorum queue with publisher confirms; by lapin |
//! | `amqp-tls` | no | `amqp` with `amqps` addresses, by rustls |
//!
//! # Supported Rust
//! Rust 1.95 and newer.

#[cfg(feature = "amqp")]
pub mod amqp;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod answer;
#[cfg(any(feature = "amqp", feature = "nats", feature = "postgres", feature = "sqlite"))]
mod bounds;
#[cfg(any(feature = "amqp", feature = "nats", feature = "postgres"))]
mod connection;
#[cfg(any(feature = "amqp", feature = "nats", feature = "postgres", feature = "sqlite"))]
mod dead_reason;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod lease;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod value;

#[cfg(any(feature = "amqp", feature = "nats", feature = "postgres"))]
pub use connection::ConnectionState;
