//! Benchmarks of netbuild beside its peers and the raw limit, each in one run that prints one table.
//!
//! | command | what it measures |
//! |---|---|
//! | `cargo bench -p netbuild-benches --bench amqp` | the RabbitMQ queue beside the raw client |
//! | `cargo bench -p netbuild-benches --bench breaker` | a call through a closed breaker beside its raw limit and other crates' breakers |
//! | `cargo bench -p netbuild-benches --bench engine` | the engine beside a plain fair queue |
//! | `cargo bench -p netbuild-benches --bench flags` | evaluations of flags beside a hash and a lookup, and while flags change |
//! | `cargo bench -p netbuild-benches --bench postgres` | the PostgreSQL queue beside the raw client |
//! | `cargo bench -p netbuild-benches --bench sqlite` | the SQLite queue beside raw rusqlite |
//! | `cargo bench -p netbuild-benches --bench nats` | the NATS queue beside raw async-nats |
//! | `benches/peers/run_postgres` | the PostgreSQL queue beside other crates' PostgreSQL queues |
//! | `benches/peers/flags/run` | evaluations of flags beside other crates and services' clients |
//! | `benches/peers/run` | the SQLite queue beside other crates' SQLite queues |

pub mod amqp;
pub mod engine;
pub mod flags;
pub mod nats;
pub mod postgres;
pub mod sqlite;
pub mod swaps;
