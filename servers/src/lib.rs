//! Real servers for tests, benches and examples: each in a folder of its own, on a loopback port of its own, and gone with
//! the process that started it, even when that is killed.
//!
//! A server is stopped by a handle: [`NatsServer`], [`PostgresServer`] and [`RabbitmqServer`] have `kill` (as `kill -9` of
//! all its processes), `start_again` (same data, same port), `freeze` and `thaw`. A program that is not installed is an
//! error that names its package.
//!
//! A Docker host, [`DockerDaemon`], is a machine of its own made of namespaces, which can vanish as a whole.
//!
//! Starting waits until the server answers, which takes up to some seconds: in async code call it where blocking is allowed,
//! or accept that in a test.

mod docker;
mod error;
mod nats;
mod port;
mod postgres;
mod process;
mod program;
mod rabbitmq;

pub use docker::{DockerDaemon, DockerOptions};
pub use error::ServerError;
pub use nats::{NatsCluster, NatsServer};
pub use postgres::PostgresServer;
pub use rabbitmq::RabbitmqServer;
