//! [`Queue`](netbuild_core::port::Queue) over a stream of NATS JetStream.

mod dead;
mod error;
mod fetch;
mod held;
mod link;
mod monitor;
mod options;
mod pipeline;
mod publish;
mod queue;
mod receipt;
mod servers;
mod session;
mod setup;

pub use async_nats;
pub use error::NatsError;
pub use options::NatsOptions;
pub use queue::NatsQueue;
