//! The cycle of a queue in a stream of NATS JetStream, publish, receive and ack, of netbuild and of nothing but async-nats.
//!
//! Both keep a stream of their own on one server, which syncs before it confirms, and send a batch as a whole before they
//! await the answers, of acks too. What the raw one leaves out is what a queue adds: a message that is more than bytes,
//! deduplication by its id, bounds on messages and deliveries, dead letters, deadlines, a connection that comes back.

mod ours;
mod raw;

pub use ours::Ours;
pub use raw::Raw;
