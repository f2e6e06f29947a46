//! The API side: from accepted events to the queue.

mod publisher;
#[cfg(feature = "webhooks")]
pub mod webhook;

pub use publisher::{PublishError, Publisher, PublisherConfig};
