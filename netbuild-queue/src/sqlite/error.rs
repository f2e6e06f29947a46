//! Why a store failed: the one place where SQLite's errors are translated.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{ErrorCode, ffi};

use super::options::SqliteOptions;
pub(super) use crate::answer::Meaning;
use crate::value::Unreadable;

/// Why a store cannot be opened, or what stands behind an error of its ports. Its text names the file and says what to
/// do.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqliteError {
    /// The file cannot be opened or made.
    #[error("cannot open {path}: see that its folder exists and that this process may write there")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system or SQLite said.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The file is a database of something else. It was not changed.
    #[error("{path} is the database of another application (id {found:#010x}): give the store a file of its own")]
    OtherApplication {
        /// The file.
        path: PathBuf,
        /// Its application id; 0 when it has none.
        found: i32,
    },
    /// A newer netbuild wrote the file. It was not changed.
    #[error(
        "{path} has schema {found}, and this netbuild knows up to {known}: run the newer one, or restore an old copy"
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest that this netbuild knows.
        known: i64,
    },
    /// The file, or a row of it, is damaged.
    #[error(
        "{path} is damaged: {found}. Stop what uses it, keep it and its -wal file aside, then restore a copy, or save \
         what can be read with the command `.recover` of the sqlite3 shell"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: String,
    },
    /// The file is on a network file system, where SQLite's locks and shared memory are not safe.
    #[error("{path} is on a network file system ({file_system}): move it to a local disk")]
    NetworkFileSystem {
        /// The file.
        path: PathBuf,
        /// The kind of file system.
        file_system: String,
    },
    /// A setting that the promises need did not take effect.
    #[error("{path}: {setting} is {found} and must be {wanted}: the file system may not allow it; move the file")]
    Setting {
        /// The file.
        path: PathBuf,
        /// The setting.
        setting: &'static str,
        /// What it must be.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
    /// Another process held the write lock for too long.
    #[error("{path} was locked by another process for more than {waited:?}: find it, or raise busy_timeout")]
    Busy {
        /// The file.
        path: PathBuf,
        /// How long the call waited.
        waited: Duration,
    },
    /// There is no room for more.
    #[error("no room for {path}: the disk is full, or the file has reached max_file_bytes")]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The call was not over at its deadline.
    #[error("no answer from {path} within {after:?}: the disk is slow, or another process holds the write lock")]
    Deadline {
        /// The file.
        path: PathBuf,
        /// The call's deadline.
        after: Duration,
    },
    /// The store was closed.
    #[error("the store of {path} was closed: open it again")]
    Closed {
        /// The file.
        path: PathBuf,
    },
    /// SQLite failed in another way; the source has its words.
    #[error("SQLite failed on {path}")]
    Failed {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
}

/// Why a command came to no answer of its own.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// SQLite failed before the commit, or in a commit that certainly did nothing.
    Sql(Arc<rusqlite::Error>),
    /// The commit failed in a way that leaves its effect open.
    Commit(Arc<rusqlite::Error>),
    /// A row cannot be read.
    Unreadable(Arc<dyn Error + Send + Sync>),
    /// The deadline passed; the command was begun or not.
    Deadline { begun: bool },
    /// The thread is gone; the command was begun or not.
    Closed { begun: bool },
}

pub(super) type Stop<E> = crate::answer::Stop<E, Fault>;
pub(super) type Told = crate::answer::Told<SqliteError>;

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Fault::Sql(Arc::new(error))
    }
}

impl From<Unreadable> for Fault {
    fn from(error: Unreadable) -> Self {
        Fault::unreadable(error)
    }
}

impl<E> From<Unreadable> for Stop<E> {
    fn from(error: Unreadable) -> Self {
        Stop::Fault(error.into())
    }
}

impl<E> From<rusqlite::Error> for Stop<E> {
    fn from(error: rusqlite::Error) -> Self {
        Stop::Fault(error.into())
    }
}

impl Fault {
    /// A row that is not what was written.
    pub(super) fn unreadable(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Fault::Unreadable(Arc::from(error.into()))
    }

    /// The fault of a commit that failed.
    pub(super) fn of_commit(error: Arc<rusqlite::Error>) -> Self {
        // SQLite rolls these back whole. Past any other, an I/O error above all, the log may hold the commit.
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DiskFull | ErrorCode::ConstraintViolation) => Fault::Sql(error),
            _ => Fault::Commit(error),
        }
    }

    pub(super) fn meaning(&self) -> Meaning {
        match self {
            Fault::Sql(error) if is_damage(error) => Meaning::Damaged,
            Fault::Sql(_) | Fault::Deadline { begun: false } | Fault::Closed { begun: false } => {
                Meaning::NothingWritten
            }
            Fault::Commit(_) | Fault::Deadline { begun: true } | Fault::Closed { begun: true } => Meaning::MaybeWritten,
            Fault::Unreadable(_) => Meaning::Damaged,
        }
    }

    pub(super) fn explain(self, path: &Path, options: &SqliteOptions) -> SqliteError {
        let path = path.to_owned();
        match self {
            Fault::Sql(error) | Fault::Commit(error) => explain_sql(path, error, options),
            Fault::Unreadable(error) => SqliteError::Damaged { path, found: error.to_string() },
            Fault::Deadline { .. } => SqliteError::Deadline { path, after: options.call_deadline },
            Fault::Closed { .. } => SqliteError::Closed { path },
        }
    }
}

/// Says what an error of SQLite means for a file.
pub(super) fn explain_sql(path: PathBuf, error: Arc<rusqlite::Error>, options: &SqliteOptions) -> SqliteError {
    if is_damage(&error) {
        return SqliteError::Damaged { path, found: error.to_string() };
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy) => SqliteError::Busy { path, waited: options.busy_timeout },
        _ if is_full(&error) => SqliteError::Full { path },
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            SqliteError::Open { path, source: error }
        }
        _ => SqliteError::Failed { path, source: error },
    }
}

/// No room for the file, or for the small file of shared memory beside it, which SQLite calls an I/O error.
fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
        || error.sqlite_error().is_some_and(|failure| failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE)
}

/// A damaged page, or a row that does not have the columns and types that were written.
fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => {
            matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        }
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::QueryReturnedNoRows => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: std::ffi::c_int) -> Arc<rusqlite::Error> {
        Arc::new(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None))
    }

    #[test]
    fn before_the_commit_nothing_is_written_and_damage_is_told() {
        for (code, expected) in [
            (ffi::SQLITE_FULL, Meaning::NothingWritten),
            (ffi::SQLITE_IOERR, Meaning::NothingWritten),
            (ffi::SQLITE_BUSY, Meaning::NothingWritten),
            (ffi::SQLITE_CORRUPT, Meaning::Damaged),
            (ffi::SQLITE_NOTADB, Meaning::Damaged),
        ] {
            assert_eq!(Fault::Sql(failure(code)).meaning(), expected, "code {code}");
        }
    }

    #[test]
    fn only_a_commit_that_certainly_did_nothing_is_not_unknown() {
        for (code, expected) in [
            (ffi::SQLITE_FULL, Meaning::NothingWritten),
            (ffi::SQLITE_BUSY, Meaning::NothingWritten),
            (ffi::SQLITE_IOERR, Meaning::MaybeWritten),
            (ffi::SQLITE_IOERR_FSYNC, Meaning::MaybeWritten),
            (ffi::SQLITE_NOMEM, Meaning::MaybeWritten),
        ] {
            assert_eq!(Fault::of_commit(failure(code)).meaning(), expected, "code {code}");
        }
    }

    #[test]
    fn every_text_names_the_file() {
        let path = Path::new("/data/netbuild.db");
        let options = SqliteOptions::default();
        let faults = [
            Fault::Sql(failure(ffi::SQLITE_FULL)),
            Fault::Sql(failure(ffi::SQLITE_BUSY)),
            Fault::Sql(failure(ffi::SQLITE_CORRUPT)),
            Fault::Commit(failure(ffi::SQLITE_IOERR)),
            Fault::unreadable("no build"),
            Fault::Deadline { begun: true },
            Fault::Closed { begun: false },
        ];
        for fault in faults {
            let text = fault.explain(path, &options).to_string();
            assert!(text.contains("/data/netbuild.db"), "{text}");
        }
    }
}
