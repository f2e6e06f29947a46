//! The cycle of a queue in PostgreSQL, publish, receive and ack, of netbuild and of nothing but the client.
//!
//! Both talk to one server by one connection, with `synchronous_commit=on`, take the same batches, and make the same three
//! commits a batch. What the raw one leaves out is what a queue adds: a message that is more than bytes, deduplication,
//! bounds, redelivery in order, dead letters, deadlines, news for those who wait.

mod ours;
mod raw;

pub use ours::Ours;
pub use raw::Raw;
