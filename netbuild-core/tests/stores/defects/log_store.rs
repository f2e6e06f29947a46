//! Log stores that are wrong.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use netbuild_core::memory::MemoryLogStore;
use netbuild_core::model::{AttemptId, AttemptNumber, ProjectId};
use netbuild_core::port::{LogChunk, LogStore, LogStoreError};
use netbuild_core::testkit::conformance::log_store;
use netbuild_core::testkit::{ManualClock, fixtures};

use super::{Faulty, every_case_finds_its_defects};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    AnswersWhatWasWritten,
    StoresAgain,
    SkipsWhatOverlaps,
    MarksNoGap,
    CountsNoGap,
    RefusesUnknown,
    IgnoresMax,
    IgnoresFrom,
    IgnoresAccount,
    IgnoresProject,
    IgnoresNumber,
    ForgetsOnReopen,
}
use Fault::*;

#[tokio::test(start_paused = true)]
async fn every_log_store_case_finds_its_defects() {
    let defects: &[(&str, &[Fault])] = &[
        ("bytes_are_stored_one_after_another", &[AnswersWhatWasWritten]),
        ("bytes_below_the_stored_length_are_skipped", &[StoresAgain]),
        ("bytes_that_overlap_are_stored_from_where_they_are_new", &[StoresAgain, SkipsWhatOverlaps]),
        ("bytes_above_the_stored_length_stand_behind_a_gap_mark", &[MarksNoGap, CountsNoGap]),
        ("an_unknown_attempt_has_an_empty_log", &[RefusesUnknown]),
        ("read_gives_at_most_max_from_a_position", &[IgnoresMax, IgnoresFrom]),
        ("attempts_have_logs_of_their_own", &[IgnoresAccount, IgnoresProject, IgnoresNumber]),
        ("reopening_keeps_the_log", &[ForgetsOnReopen]),
    ];
    every_case_finds_its_defects::<FaultyLogStore>(log_store::cases(), defects).await;
}

#[derive(Debug)]
pub(crate) struct FaultyLogStore {
    fault: Option<Fault>,
    inner: Mutex<Arc<MemoryLogStore>>,
}

impl FaultyLogStore {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn inner(&self) -> Arc<MemoryLogStore> {
        self.inner.lock().unwrap().clone()
    }

    fn named(&self, attempt: &AttemptId) -> AttemptId {
        let mut attempt = attempt.clone();
        match self.fault {
            Some(IgnoresAccount) => attempt.build.account = fixtures::account("any"),
            Some(IgnoresProject) => attempt.build.project = ProjectId::new("any").unwrap(),
            Some(IgnoresNumber) => attempt.number = AttemptNumber::FIRST,
            _ => {}
        }
        attempt
    }
}

impl Faulty for FaultyLogStore {
    type Port = dyn LogStore;
    type Fault = Fault;

    fn new(fault: Option<Fault>, _clock: ManualClock) -> Self {
        FaultyLogStore { fault, inner: Mutex::new(Arc::new(MemoryLogStore::new(1 << 20))) }
    }

    fn port(self: Arc<Self>) -> Arc<dyn LogStore> {
        self
    }

    fn reopened(&self) {
        if self.has(ForgetsOnReopen) {
            *self.inner.lock().unwrap() = Arc::new(MemoryLogStore::new(1 << 20));
        }
    }
}

#[async_trait]
impl LogStore for FaultyLogStore {
    async fn append(&self, attempt: &AttemptId, from: u64, bytes: &[u8]) -> Result<u64, LogStoreError> {
        let attempt = self.named(attempt);
        let next = self.inner().next_offset(&attempt).await?;
        match self.fault {
            Some(StoresAgain) => return self.inner().append(&attempt, next, bytes).await,
            Some(MarksNoGap | CountsNoGap) if from > next => {
                let mark = if self.has(CountsNoGap) { "[gap]" } else { "" };
                let filled = [mark.as_bytes(), &vec![b' '; (from - next) as usize][mark.len()..], bytes].concat();
                return self.inner().append(&attempt, next, &filled).await;
            }
            Some(SkipsWhatOverlaps) if from < next => return Ok(next),
            _ => {}
        }
        let next = self.inner().append(&attempt, from, bytes).await?;
        Ok(if self.has(AnswersWhatWasWritten) { bytes.len() as u64 } else { next })
    }

    async fn next_offset(&self, attempt: &AttemptId) -> Result<u64, LogStoreError> {
        let next = self.inner().next_offset(&self.named(attempt)).await?;
        if next == 0 && self.has(RefusesUnknown) { Err(LogStoreError("unknown".into())) } else { Ok(next) }
    }

    async fn read(&self, attempt: &AttemptId, from: u64, max: usize) -> Result<LogChunk, LogStoreError> {
        let from = if self.has(IgnoresFrom) { 0 } else { from };
        let max = if self.has(IgnoresMax) { usize::MAX } else { max };
        self.inner().read(&self.named(attempt), from, max).await
    }
}
