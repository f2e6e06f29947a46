//! Errors of the host, translated.

use std::io;
use std::ops::Range;
use std::path::PathBuf;

use netbuild_core::model::Cause;
use netbuild_core::port::{ExecutorError, Source, StartError};
use rustix::io::Errno;

use super::spawn::{MAX_JOB_BYTES, SpawnError};

/// Why a [`ProcessExecutor`](super::ProcessExecutor) cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The root folder cannot be made or read.
    #[error("the root folder {root} cannot be used: it must be a folder that this user may write")]
    Root {
        /// The folder.
        root: PathBuf,
        /// What the host said.
        #[source]
        source: io::Error,
    },
    /// There are users for commands, but this process cannot become them.
    #[error("commands under users of their own need root: run this as root, or without `users`")]
    NotRoot,
    /// The range of users is no range, has root in it, or ids from 2³¹ − 1 on.
    #[error("the users {}..{} cannot be used: the range must not be empty, not hold 0, and end before 2147483647", .0.start, .0.end)]
    Users(Range<u32>),
    /// Commands could not reach their folders.
    #[error(
        "other users may not enter {}, so commands could not reach their folders in {}: allow it with `chmod o+x`, \
         choose another root, or run without `users`", folder.display(), root.display()
    )]
    Unreachable {
        /// The root folder.
        root: PathBuf,
        /// The folder on the way to it.
        folder: PathBuf,
    },
    /// `/proc` cannot be read: no process could be told from another.
    #[error("/proc cannot be read; the process executor needs Linux with /proc mounted")]
    Proc(#[source] io::Error),
    /// The end of a child could not be heard of.
    #[error("the signal SIGCHLD cannot be received")]
    Signals(#[source] io::Error),
}

/// Why a call got no answer of the work that it is about.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// All places for calls are taken by calls that hang.
    #[error("the disk of the attempts does not answer: earlier calls still wait for it")]
    Busy,
    /// The deadline passed on the way.
    #[error("the disk of the attempts gave no answer within the deadline")]
    Late,
    /// The work panicked.
    #[error("the call broke")]
    Broken(#[source] tokio::task::JoinError),
}

impl From<CallError> for StartError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Busy => StartError::Unavailable(error.into()),
            CallError::Late | CallError::Broken(_) => StartError::Unknown(error.into()),
        }
    }
}

impl From<CallError> for ExecutorError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Busy => ExecutorError::Unavailable(error.into()),
            CallError::Late | CallError::Broken(_) => ExecutorError::Unknown(error.into()),
        }
    }
}

/// Another executor has the folder of the attempt locked.
#[derive(Debug, thiserror::Error)]
#[error("another executor on this host is at the folder of the build")]
pub(super) struct FolderBusy;

/// Another executor is about to take a user.
#[derive(Debug, thiserror::Error)]
#[error("another executor on this host chooses a user, or what is left of the last free one is just being ended")]
pub(super) struct UsersBusy;

/// A folder in the way that is no attempt's.
#[derive(Debug, thiserror::Error)]
#[error("{path} has the name of the build and is not the folder of an attempt: move it away")]
pub(super) struct ForeignFolder {
    pub(super) path: PathBuf,
}

pub(super) fn unavailable(source: impl Into<Source>) -> StartError {
    StartError::Unavailable(source.into())
}

/// A start that failed at making or reading a folder: nothing was started.
pub(super) fn from_disk(error: io::Error) -> StartError {
    if is_disk(&error) {
        StartError::refused(Cause::HostDisk, format!("the folder of the attempt cannot be made: {error}"))
    } else {
        unavailable(error)
    }
}

/// A runner that could not be started: nothing runs.
pub(super) fn from_spawn(error: SpawnError) -> StartError {
    match error {
        SpawnError::JobTooLong { bytes } => StartError::refused(
            Cause::SpecInvalid,
            format!(
                "the job has {bytes} bytes, most of it variables and secrets; at most {MAX_JOB_BYTES} are possible"
            ),
        ),
        SpawnError::Host(error) => from_disk(error),
        SpawnError::Program(error) if is_short_of_room(&error) => unavailable(error),
        SpawnError::Program(error) => {
            StartError::refused(Cause::RunnerBroken, format!("the runner's program cannot be executed: {error}"))
        }
    }
}

fn is_disk(error: &io::Error) -> bool {
    is_one_of(error, &[Errno::NOSPC, Errno::ROFS, Errno::DQUOT, Errno::IO])
}

fn is_short_of_room(error: &io::Error) -> bool {
    is_one_of(error, &[Errno::AGAIN, Errno::NOMEM, Errno::MFILE, Errno::NFILE])
}

fn is_one_of(error: &io::Error, errnos: &[Errno]) -> bool {
    error.raw_os_error().is_some_and(|code| errnos.iter().any(|errno| errno.raw_os_error() == code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(error: &StartError) -> Option<&Cause> {
        match error {
            StartError::Refused(failure) => Some(&failure.cause),
            _ => None,
        }
    }

    #[test]
    fn a_full_or_read_only_disk_is_refused_as_the_hosts_fault() {
        for errno in [Errno::NOSPC, Errno::ROFS, Errno::DQUOT, Errno::IO] {
            assert_eq!(cause(&from_disk(errno.into())), Some(&Cause::HostDisk));
        }
        assert!(matches!(from_disk(Errno::MFILE.into()), StartError::Unavailable(_)));
    }

    #[test]
    fn a_missing_program_is_the_platforms_and_a_short_host_is_asked_again() {
        assert_eq!(cause(&from_spawn(SpawnError::Program(Errno::NOENT.into()))), Some(&Cause::RunnerBroken));
        assert!(matches!(from_spawn(SpawnError::Program(Errno::AGAIN.into())), StartError::Unavailable(_)));
        assert_eq!(cause(&from_spawn(SpawnError::JobTooLong { bytes: 2 << 20 })), Some(&Cause::SpecInvalid));
        assert_eq!(cause(&from_spawn(SpawnError::Host(Errno::NOSPC.into()))), Some(&Cause::HostDisk));
    }
}
