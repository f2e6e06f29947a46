//! Taking the attempt's folder over: by one runner only, and once only.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use netbuild_core::model::{AttemptFolder, AttemptId, AttemptMark, ExitRecord, Report, RunnerIdentity, Timestamp};

use super::proc_stat::ProcStat;
use super::record;

/// The room that is kept for the exit record, in bytes: an evidence of 4 KiB, escaped, and some phases.
const MAX_RECORD_BYTES: usize = 64 << 10;

/// An attempt's folder that is this runner's for life.
#[derive(Debug)]
pub(super) struct Claim {
    folder: PathBuf,
    mark: AttemptMark,
    /// Locked as long as it is open. Programs that the runner starts do not inherit it.
    _lock: File,
}

/// Why there is nothing to do in a folder, or nothing can be done.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoClaim {
    #[error("another runner has the folder")]
    Taken,
    #[error("the attempt is over: there is an exit record")]
    Over,
    #[error("a runner began this attempt before and is gone; an attempt is never run twice")]
    Begun,
    #[error("the job is of another attempt")]
    OtherAttempt,
    #[error("the folder cannot be used")]
    Unusable(#[from] io::Error),
}

impl Claim {
    /// Claims a folder that no runner has and none has begun in.
    pub(super) fn take(folder: &Path) -> Result<Self, NoClaim> {
        let mut lock = File::options();
        lock.create(true).truncate(false).write(true).mode(0o600);
        let lock = lock.open(folder.join(AttemptFolder::LOCK))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => NoClaim::Taken,
            TryLockError::Error(error) => NoClaim::Unusable(error),
        })?;
        if folder.join(AttemptFolder::EXIT).try_exists()? {
            return Err(NoClaim::Over);
        }
        if folder.join(AttemptFolder::RUNNER).try_exists()? {
            return Err(NoClaim::Begun);
        }
        let mark: AttemptMark = serde_json::from_slice(&fs::read(folder.join(AttemptFolder::ATTEMPT))?)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Claim { folder: std::path::absolute(folder)?, mark, _lock: lock })
    }

    /// The attempt that the folder is for.
    pub(super) fn attempt(&self) -> &AttemptId {
        &self.mark.attempt
    }

    /// Whether it is too late to begin.
    pub(super) fn is_late(&self, now: Timestamp) -> bool {
        self.mark.start_by.is_some_and(|start_by| now > start_by)
    }

    /// The folder's absolute path.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A path in the folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes down who the runner is: from now on the attempt has begun. The room for its end is taken before.
    pub(super) fn begin(&self, now: Timestamp) -> io::Result<()> {
        record::reserve(&self.folder, AttemptFolder::EXIT, MAX_RECORD_BYTES)?;
        let pid = std::process::id();
        let stat = i32::try_from(pid).ok().and_then(ProcStat::of).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::Unsupported,
                "there is no /proc here, by which the runner finds its processes: mount it",
            )
        })?;
        let identity = RunnerIdentity {
            pid,
            start_ticks: stat.start_ticks,
            boot_id: fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned(),
            began_at: now,
        };
        record::write(&self.folder, AttemptFolder::RUNNER, &identity)
    }

    /// Writes down how it ended. The first record stays: it may have been read already.
    pub(super) fn end(&self, report: &Report) -> io::Result<()> {
        if self.path(AttemptFolder::EXIT).try_exists()? {
            return Ok(());
        }
        let record = ExitRecord { attempt: self.mark.attempt.clone(), report: report.clone() };
        record::write(&self.folder, AttemptFolder::EXIT, &record)
    }
}

#[cfg(test)]
mod tests {
    use netbuild_core::model::Outcome;

    use super::*;
    use crate::runner::samples;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mark = AttemptMark { attempt: samples::job().attempt, created_at: Timestamp::EPOCH, start_by: None };
        record::write(folder.path(), AttemptFolder::ATTEMPT, &mark).unwrap();
        folder
    }

    #[test]
    fn a_folder_is_claimed_by_one_runner_once() {
        let folder = folder();
        let claim = Claim::take(folder.path()).unwrap();
        assert!(matches!(Claim::take(folder.path()), Err(NoClaim::Taken)));
        claim.begin(Timestamp::EPOCH).unwrap();
        drop(claim);
        assert!(matches!(Claim::take(folder.path()), Err(NoClaim::Begun)));
    }

    #[test]
    fn an_ended_attempt_is_left_alone() {
        let folder = folder();
        let claim = Claim::take(folder.path()).unwrap();
        claim.end(&Report::of(Outcome::Cancelled)).unwrap();
        claim.end(&Report::of(Outcome::Succeeded { deploy: None })).unwrap();
        let record = fs::read(folder.path().join(AttemptFolder::EXIT)).unwrap();
        let record: ExitRecord = serde_json::from_slice(&record).unwrap();
        assert_eq!(record.report.outcome, Outcome::Cancelled, "the first record stays");
        drop(claim);
        assert!(matches!(Claim::take(folder.path()), Err(NoClaim::Over)));
    }

    #[test]
    fn it_is_late_once_the_time_to_begin_has_passed() {
        let folder = folder();
        let late = |start_by| {
            let mark = AttemptMark { attempt: samples::job().attempt, created_at: Timestamp::EPOCH, start_by };
            record::write(folder.path(), AttemptFolder::ATTEMPT, &mark).unwrap();
            let claim = Claim::take(folder.path()).unwrap();
            [9, 10, 11].map(|now| claim.is_late(Timestamp::from_millis(now)))
        };
        assert_eq!(late(Some(Timestamp::from_millis(10))), [false, false, true]);
        assert_eq!(late(None), [false; 3]);
    }

    #[test]
    fn a_folder_without_a_mark_is_not_for_runners() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Claim::take(folder.path()), Err(NoClaim::Unusable(_))));
    }
}
