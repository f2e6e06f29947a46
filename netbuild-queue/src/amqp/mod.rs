//! [`Queue`](netbuild_core::port::Queue) over RabbitMQ.

mod address;
mod dead;
mod error;
mod handle;
mod holdings;
mod inbox;
mod keeper;
mod letter;
mod options;
mod publish;
mod queue;
mod session;
mod topology;

pub use error::AmqpError;
pub use lapin;
pub use options::AmqpOptions;
pub use queue::AmqpQueue;
