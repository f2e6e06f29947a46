//! Whether a flag does well.

use std::fmt::Debug;

use async_trait::async_trait;
use netbuild_core::model::Timestamp;

use crate::{FlagKey, Percentage};

/// Says whether a flag does well, so that [`Steps`](super::Steps) go on only while it does: by the failures of builds on
/// the new executor, for example.
#[async_trait]
pub trait Guard: Debug + Send + Sync + 'static {
    /// How a flag does that has been at a percentage since a time. It may take its time; nothing waits but the step.
    async fn check(&self, flag: &FlagKey, percentage: Percentage, since: Timestamp) -> Health;
}

/// How a flag does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Well, and why one may think so: it is recorded with the step.
    Healthy(String),
    /// Not well, or nobody knows, and why: it stays where it is.
    Unhealthy(String),
}
