//! Which queued build starts next.

mod port;

pub use port::{Policy, Queued};
