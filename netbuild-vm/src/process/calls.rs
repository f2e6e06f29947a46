//! The calls about one attempt: cancel, log and removal.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use netbuild_core::model::{AttemptFolder, AttemptId, AttemptMark};
use netbuild_core::port::{ExecutorError, LogChunk, Source};

use super::attempts::Attempts;
use super::error::FolderBusy;
use super::facts::{CANCEL, CancelMark, read_mark};
use super::files::{open_regular, replace_json};
use super::folders::{Lock, LockedFolder};
use super::start::Try;
use crate::verdict::Verdict;

/// The most bytes of a log in one answer.
const MAX_LOG_BYTES: usize = 1 << 20;

impl Attempts {
    /// Tries to note that a cancel was asked. The supervisor carries it out.
    pub(super) fn try_cancel(
        &self,
        attempt: &AttemptId,
        grace: Duration,
    ) -> Result<Try<(), ExecutorError>, ExecutorError> {
        self.with_folder(attempt, |folder, mark| {
            let found = self.look(&folder.path, &mark).map_err(unavailable)?;
            let grace = found.grace.map_or(grace, |before| before.min(grace));
            if found.facts.settled.is_some() || found.grace == Some(grace) {
                return Ok(Try::Done(()));
            }
            if let Err(error) = replace_json(&folder.path, CANCEL, &CancelMark { grace }) {
                tracing::warn!(%attempt, %error, "a cancel is kept in memory only");
                self.remember(attempt, |remembered| remembered.grace = Some(grace));
            }
            Ok(Try::Done(()))
        })
    }

    /// Tries to remove an ended attempt.
    pub(super) fn try_remove(&self, attempt: &AttemptId) -> Result<Try<(), ExecutorError>, ExecutorError> {
        self.with_folder(attempt, |folder, mark| {
            let found = self.look(&folder.path, &mark).map_err(unavailable)?;
            match self.settle(&folder, &mark, &found).map_err(unavailable)? {
                Verdict::Ended(_) => self.discard(folder).map(Try::Done).map_err(unavailable),
                Verdict::Over(_) => Ok(Try::Again(ExecutorError::StillRuns)),
                Verdict::NotStarted | Verdict::Pending | Verdict::Running { .. } => Err(ExecutorError::StillRuns),
            }
        })
    }

    /// A piece of a log.
    pub(super) fn read_log(&self, attempt: &AttemptId, from: u64, max: usize) -> Result<LogChunk, ExecutorError> {
        let absent = LogChunk { offset: from, bytes: Bytes::new(), end: true };
        let chunk = || -> io::Result<LogChunk> {
            let Some(name) = self.find(attempt)? else { return Ok(absent.clone()) };
            let folder = self.folders.path(&name);
            // Whether it has ended is seen before the length: what has ended writes no more.
            let Some(has_ended) = self.has_ended(&folder, attempt)? else { return Ok(absent.clone()) };
            let file = match open_regular(&folder.join(AttemptFolder::LOG)) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Ok(LogChunk { end: has_ended, ..absent.clone() });
                }
                Err(error) => return Err(error),
            };
            // The folder may have passed to another attempt before the file was opened.
            if self.has_ended(&folder, attempt)?.is_none() {
                return Ok(absent.clone());
            }
            let left = file.metadata()?.len().saturating_sub(from);
            let wanted = max.min(MAX_LOG_BYTES).min(usize::try_from(left).unwrap_or(usize::MAX));
            let mut bytes = vec![0; wanted];
            file.read_exact_at(&mut bytes, from)?;
            Ok(LogChunk { offset: from, end: has_ended && wanted as u64 == left, bytes: bytes.into() })
        };
        chunk().map_err(unavailable)
    }

    /// Whether an attempt has ended; `None` when the folder is not its own.
    fn has_ended(&self, folder: &Path, attempt: &AttemptId) -> io::Result<Option<bool>> {
        match read_mark(folder)? {
            Some(mark) if mark.attempt == *attempt => Ok(Some(self.is_settled(folder, attempt))),
            Some(_) | None => Ok(None),
        }
    }

    /// Does something with the locked folder of an attempt, if there is one.
    fn with_folder(
        &self,
        attempt: &AttemptId,
        work: impl FnOnce(LockedFolder, AttemptMark) -> Result<Try<(), ExecutorError>, ExecutorError>,
    ) -> Result<Try<(), ExecutorError>, ExecutorError> {
        let Some(name) = self.find(attempt).map_err(unavailable)? else { return Ok(Try::Done(())) };
        let folder = match self.folders.lock(&name).map_err(unavailable)? {
            Lock::Absent => return Ok(Try::Done(())),
            Lock::Busy => return Ok(Try::Again(unavailable(FolderBusy))),
            Lock::Locked(folder) => folder,
        };
        // Before the lock was held, the name may have passed to another attempt.
        match read_mark(&folder.path).map_err(unavailable)? {
            Some(mark) if mark.attempt == *attempt => work(folder, mark),
            Some(_) | None => Ok(Try::Done(())),
        }
    }
}

fn unavailable(source: impl Into<Source>) -> ExecutorError {
    ExecutorError::Unavailable(source.into())
}
