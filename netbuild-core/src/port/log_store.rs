//! The port that keeps logs after the attempt is gone.

use std::fmt::Debug;

use async_trait::async_trait;

use super::error::Source;
use super::executor::LogChunk;
use crate::model::AttemptId;

/// Keeps the log of each attempt by offset.
///
/// # Contract
/// Two writers feed it, the gateway with what the runner sends and the scheduler with what the executor still has at the
/// end, so it is idempotent by offset: bytes below the stored length are skipped, bytes above it are stored behind a gap
/// mark that says how many are missing. Bytes are masked before they come here.
#[async_trait]
pub trait LogStore: Debug + Send + Sync + 'static {
    /// Stores bytes whose first has the offset `from` in the runner's log, and answers the offset that comes next.
    ///
    /// # Errors
    /// [`LogStoreError`]; try again.
    async fn append(&self, attempt: &AttemptId, from: u64, bytes: &[u8]) -> Result<u64, LogStoreError>;

    /// The offset that comes next: how much of the runner's log is here or known to be lost.
    ///
    /// # Errors
    /// [`LogStoreError`].
    async fn next_offset(&self, attempt: &AttemptId) -> Result<u64, LogStoreError>;

    /// At most `max` stored bytes from a stored position on; gap marks are part of what is stored, so positions here are
    /// not the runner's offsets once there was a gap.
    ///
    /// # Errors
    /// [`LogStoreError`].
    async fn read(&self, attempt: &AttemptId, from: u64, max: usize) -> Result<LogChunk, LogStoreError>;
}

/// Why a log store failed.
#[derive(Debug, thiserror::Error)]
#[error("the log store is not available")]
pub struct LogStoreError(#[source] pub Source);
