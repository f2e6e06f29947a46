//! Keeping an attempt's log before the attempt is removed.

use crate::model::AttemptId;
use crate::port::{Executor, ExecutorError, LogStore, LogStoreError};

/// How much is copied at once.
const CHUNK: usize = 256 * 1024;

/// Why a log could not be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum FlushError {
    #[error("the executor failed")]
    Executor(#[source] ExecutorError),
    #[error("the log store failed")]
    Store(#[source] LogStoreError),
}

/// Copies what the executor still has and the store lacks, up to the log's end.
pub(super) async fn flush(
    executor: &dyn Executor,
    store: &dyn LogStore,
    attempt: &AttemptId,
) -> Result<(), FlushError> {
    let mut from = store.next_offset(attempt).await.map_err(FlushError::Store)?;
    loop {
        let chunk = executor.logs(attempt, from, CHUNK).await.map_err(FlushError::Executor)?;
        if chunk.bytes.is_empty() {
            return Ok(());
        }
        from = store.append(attempt, chunk.offset, &chunk.bytes).await.map_err(FlushError::Store)?;
        if chunk.end {
            return Ok(());
        }
    }
}
