//! The API side: from accepted events to the queue.

mod publisher;

pub use publisher::{PublishError, Publisher, PublisherConfig};
