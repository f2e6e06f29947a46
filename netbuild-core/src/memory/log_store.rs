//! The log store in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;

use crate::log::Mark;
use crate::model::AttemptId;
use crate::port::{LogChunk, LogStore, LogStoreError};

/// A log store that keeps its logs in memory.
#[derive(Debug)]
pub struct MemoryLogStore {
    limit: usize,
    state: Mutex<State>,
}

impl MemoryLogStore {
    /// An empty store of at most `limit` bytes, all logs together. What would pass it is refused with
    /// [`LogStoreError`] and nothing of it is stored.
    pub fn new(limit: usize) -> Self {
        MemoryLogStore { limit, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }
}

#[async_trait]
impl LogStore for MemoryLogStore {
    async fn append(&self, attempt: &AttemptId, from: u64, bytes: &[u8]) -> Result<u64, LogStoreError> {
        self.state().append(attempt, from, bytes, self.limit)
    }

    async fn next_offset(&self, attempt: &AttemptId) -> Result<u64, LogStoreError> {
        Ok(self.state().logs.get(attempt).map_or(0, |log| log.next))
    }

    async fn read(&self, attempt: &AttemptId, from: u64, max: usize) -> Result<LogChunk, LogStoreError> {
        let state = self.state();
        let stored = state.logs.get(attempt).map_or(&[][..], |log| &log.stored);
        let start = usize::try_from(from).map_or(stored.len(), |from| from.min(stored.len()));
        let end = start.saturating_add(max).min(stored.len());
        let bytes = Bytes::copy_from_slice(&stored[start..end]);
        Ok(LogChunk { offset: start as u64, bytes, end: false })
    }
}

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    logs: BTreeMap<AttemptId, Log>,
}

#[derive(Debug, Default)]
struct Log {
    /// The runner's offset that comes next.
    next: u64,
    /// The runner's bytes, with gap marks.
    stored: Vec<u8>,
}

impl State {
    fn append(&mut self, attempt: &AttemptId, from: u64, bytes: &[u8], limit: usize) -> Result<u64, LogStoreError> {
        let next = self.logs.get(attempt).map_or(0, |log| log.next);
        let known = usize::try_from(next.saturating_sub(from)).unwrap_or(usize::MAX).min(bytes.len());
        let fresh = &bytes[known..];
        if fresh.is_empty() {
            return Ok(next);
        }
        let at_line_start = self.logs.get(attempt).is_none_or(|log| log.stored.ends_with(b"\n"));
        let mark = match from.saturating_sub(next) {
            0 => String::new(),
            bytes => Mark::Gap { bytes }.to_line(at_line_start),
        };
        let grown = self.bytes + mark.len() + fresh.len();
        if grown > limit {
            return Err(LogStoreError(format!("it is full at {limit} bytes").into()));
        }
        let log = self.logs.entry(attempt.clone()).or_default();
        log.stored.extend_from_slice(mark.as_bytes());
        log.stored.extend_from_slice(fresh);
        log.next = from.max(next).saturating_add(fresh.len() as u64);
        self.bytes = grown;
        Ok(log.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountId, AttemptNumber, BuildId, BuildKey, ProjectId, Timestamp};

    #[tokio::test]
    async fn what_would_pass_the_limit_is_refused_whole() {
        let store = MemoryLogStore::new(4);
        let build = BuildKey {
            account: AccountId::new("a").unwrap(),
            project: ProjectId::new("p").unwrap(),
            build: BuildId::new(Timestamp::EPOCH, [0; 10]),
        };
        let attempt = build.attempt(AttemptNumber::FIRST);
        assert_eq!(store.append(&attempt, 0, b"abc").await.unwrap(), 3);
        assert!(store.append(&attempt, 3, b"de").await.is_err());
        assert_eq!(store.append(&attempt, 3, b"d").await.unwrap(), 4);
    }
}
