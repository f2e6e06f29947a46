//! The cycle of a queue in RabbitMQ, publish, receive and ack, of netbuild and of nothing but the client.
//!
//! Both talk to one broker, with a durable quorum queue, persistent messages that are all on their way at once, their confirms
//! awaited, and the same prefetch. What the raw one leaves out is what a queue adds: a message that is more than bytes,
//! returned messages, redelivery in time, dead letters, deadlines, a way back.

mod ours;
mod raw;

pub use ours::Ours;
pub use raw::Raw;
