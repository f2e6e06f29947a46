//! The API side: from accepted events to the queue.

mod breaker_queue;
mod figures;
mod pace;
mod publisher;
#[cfg(feature = "webhooks")]
pub mod webhook;

pub use breaker_queue::BreakerQueue;
pub use publisher::{PublishCounts, PublishError, Publisher, PublisherConfig, PublisherStatus};
