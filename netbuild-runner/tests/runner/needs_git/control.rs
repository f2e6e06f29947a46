//! A scheduler of a few lines behind the real gateway.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::model::{AttemptId, Report, RunPhase};
use netbuild_core::port::{AttemptControl, Heartbeat, LogChunk, LogStore, LogStoreError, NotLeading, Order};

/// Answers as it is told.
#[derive(Debug)]
pub(crate) struct Control {
    answer: Mutex<Answer>,
    lease: Duration,
    pub(crate) beats: Mutex<Vec<RunPhase>>,
    pub(crate) reports: Mutex<Vec<Report>>,
}

/// What heartbeats are answered with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Continue,
    Stop,
    /// No scheduler leads: neither heartbeats nor reports are taken.
    Nothing,
}

impl Control {
    pub(crate) fn new(answer: Answer, lease: Duration) -> Self {
        Control { answer: Mutex::new(answer), lease, beats: Mutex::default(), reports: Mutex::default() }
    }

    pub(crate) fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }
}

#[async_trait]
impl AttemptControl for Control {
    async fn heartbeat(&self, _attempt: &AttemptId, beat: Heartbeat) -> Result<Order, NotLeading> {
        self.beats.lock().unwrap().push(beat.phase);
        match *self.answer.lock().unwrap() {
            Answer::Continue => Ok(Order::Continue { lease: self.lease }),
            Answer::Stop => Ok(Order::Stop),
            Answer::Nothing => Err(NotLeading),
        }
    }

    async fn report(&self, _attempt: &AttemptId, report: Report) -> Result<(), NotLeading> {
        match *self.answer.lock().unwrap() {
            Answer::Nothing => Err(NotLeading),
            Answer::Continue | Answer::Stop => {
                self.reports.lock().unwrap().push(report);
                Ok(())
            }
        }
    }

    async fn is_live(&self, _attempt: &AttemptId) -> Result<bool, NotLeading> {
        match *self.answer.lock().unwrap() {
            Answer::Nothing => Err(NotLeading),
            Answer::Continue | Answer::Stop => Ok(true),
        }
    }
}

/// Logs in memory. Bytes that come twice are skipped; a gap breaks the test.
#[derive(Debug, Default)]
pub(crate) struct Logs(pub(crate) Mutex<BTreeMap<AttemptId, Vec<u8>>>);

#[async_trait]
impl LogStore for Logs {
    async fn append(&self, attempt: &AttemptId, from: u64, bytes: &[u8]) -> Result<u64, LogStoreError> {
        let mut logs = self.0.lock().unwrap();
        let log = logs.entry(attempt.clone()).or_default();
        let from = usize::try_from(from).unwrap();
        assert!(from <= log.len(), "a gap before {from}");
        log.truncate(from);
        log.extend_from_slice(bytes);
        Ok(log.len() as u64)
    }

    async fn next_offset(&self, attempt: &AttemptId) -> Result<u64, LogStoreError> {
        Ok(self.0.lock().unwrap().get(attempt).map_or(0, Vec::len) as u64)
    }

    async fn read(&self, _attempt: &AttemptId, _from: u64, _max: usize) -> Result<LogChunk, LogStoreError> {
        unreachable!("the runner reads no logs")
    }
}
