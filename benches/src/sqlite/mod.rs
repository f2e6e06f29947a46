//! The cycle of a queue in a SQLite file, publish, receive and ack, of netbuild and of nothing but rusqlite.
//!
//! Both keep a file with journal mode WAL and `synchronous=FULL`, take the same batches, and make the same three commits a
//! batch. What the raw one leaves out is what a queue adds: a message that is more than bytes, deduplication, bounds, a
//! thread for many callers, errors that say what to do.

mod messages;
mod ours;
mod raw;

pub use messages::{MESSAGE_BYTES, messages};
pub use ours::Ours;
pub use raw::Raw;
