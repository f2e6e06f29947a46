//! Keeping an attempt's log before the attempt is removed.

use crate::model::AttemptId;
use crate::port::{Executor, ExecutorError, LogStore, LogStoreError};

/// How much is copied at once.
const CHUNK: usize = 256 * 1024;

/// Room for the marks that a runner writes behind the bound of its log.
const MARKS: u64 = 64 * 1024;

/// Why a log could not be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum FlushError {
    #[error("the executor failed")]
    Executor(#[source] ExecutorError),
    #[error("the log store failed")]
    Store(#[source] LogStoreError),
    #[error("the log store takes bytes and does not get ahead")]
    Stuck,
}

/// Copies what the executor still has and the store lacks, up to the log's end. A runner's log has at most `log_bytes` and
/// its marks; what an executor claims beyond that is left where it is.
pub(super) async fn flush(
    executor: &dyn Executor,
    store: &dyn LogStore,
    attempt: &AttemptId,
    log_bytes: u64,
) -> Result<(), FlushError> {
    let mut from = store.next_offset(attempt).await.map_err(FlushError::Store)?;
    while from < log_bytes.saturating_add(MARKS) {
        let chunk = executor.logs(attempt, from, CHUNK).await.map_err(FlushError::Executor)?;
        if chunk.bytes.is_empty() {
            return Ok(());
        }
        let next = store.append(attempt, chunk.offset, &chunk.bytes).await.map_err(FlushError::Store)?;
        if chunk.end {
            return Ok(());
        }
        if next <= from {
            return Err(FlushError::Stuck);
        }
        from = next;
        // Executor and store may both answer at once for the whole of a long log: others have their turn in between.
        tokio::task::coop::consume_budget().await;
    }
    tracing::warn!(%attempt, "the executor's log goes on beyond its bound; the rest is not kept");
    Ok(())
}
