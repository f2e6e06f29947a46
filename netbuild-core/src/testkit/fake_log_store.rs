//! A log store whose faults the test chooses.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::memory::MemoryLogStore;
use crate::model::AttemptId;
use crate::port::{LogChunk, LogStore, LogStoreError};

/// How a [`FakeLogStore`] behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogStoreMood {
    /// It keeps the contract.
    #[default]
    Works,
    /// Every call fails.
    Refuses,
    /// No call is answered until the mood changes.
    Hangs,
}

/// A log store in memory that works, refuses or hangs, as the test says. Clones are the same store.
///
/// ```
/// use netbuild_core::port::LogStore;
/// use netbuild_core::testkit::{FakeLogStore, LogStoreMood, fixtures};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let store = FakeLogStore::new(1_000);
/// let attempt = fixtures::build("acme", "site", 1).key().attempt(netbuild_core::model::AttemptNumber::FIRST);
/// assert_eq!(store.append(&attempt, 0, b"hello").await.unwrap(), 5);
/// store.set(LogStoreMood::Refuses);
/// assert!(store.append(&attempt, 5, b"!").await.is_err());
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FakeLogStore {
    store: Arc<MemoryLogStore>,
    mood: Arc<watch::Sender<LogStoreMood>>,
    calls: Arc<Mutex<Calls>>,
}

#[derive(Debug, Default)]
struct Calls {
    under_way: usize,
    most: usize,
}

impl FakeLogStore {
    /// A store that works, of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        let store = Arc::new(MemoryLogStore::new(limit));
        FakeLogStore { store, mood: Arc::default(), calls: Arc::default() }
    }

    /// Changes the mood; calls that hang go on by the new one.
    pub fn set(&self, mood: LogStoreMood) {
        self.mood.send_replace(mood);
    }

    /// The most calls that were ever under way at once.
    pub fn most_calls(&self) -> usize {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).most
    }

    /// Waits for as long as the mood says.
    async fn answer(&self) -> Result<(), LogStoreError> {
        let _call = Call::begin(&self.calls);
        let mut moods = self.mood.subscribe();
        let mood = moods.wait_for(|mood| *mood != LogStoreMood::Hangs).await;
        match mood.map(|mood| *mood) {
            Ok(LogStoreMood::Works) => Ok(()),
            Ok(LogStoreMood::Refuses | LogStoreMood::Hangs) | Err(_) => Err(LogStoreError("as the test says".into())),
        }
    }
}

/// A call under way; also one that its caller drops ends.
struct Call<'a>(&'a Mutex<Calls>);

impl<'a> Call<'a> {
    fn begin(calls: &'a Mutex<Calls>) -> Self {
        let mut now = calls.lock().unwrap_or_else(PoisonError::into_inner);
        now.under_way += 1;
        now.most = now.most.max(now.under_way);
        Call(calls)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).under_way -= 1;
    }
}

#[async_trait]
impl LogStore for FakeLogStore {
    async fn append(&self, attempt: &AttemptId, from: u64, bytes: &[u8]) -> Result<u64, LogStoreError> {
        self.answer().await?;
        self.store.append(attempt, from, bytes).await
    }

    async fn next_offset(&self, attempt: &AttemptId) -> Result<u64, LogStoreError> {
        self.answer().await?;
        self.store.next_offset(attempt).await
    }

    async fn read(&self, attempt: &AttemptId, from: u64, max: usize) -> Result<LogChunk, LogStoreError> {
        self.answer().await?;
        self.store.read(attempt, from, max).await
    }
}
