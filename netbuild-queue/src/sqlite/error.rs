//! What SQLite says, in the words of the ports.

use std::path::PathBuf;

use netbuild_core::port::{LedgerError, OutboxError, QueueError, Source};
use rusqlite::ErrorCode;

/// Why a store file could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file belongs to another application.
    #[error("{} is a database of another application; choose another path", .0.display())]
    NotOurs(PathBuf),
    /// The file was written by a newer version.
    #[error("{} has schema {found}, and this version knows schemas up to {known}; use a newer version", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that is known here.
        known: i64,
    },
    /// The file is damaged, or no database.
    #[error("{} is damaged: {detail}; keep it, and restore a copy", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the check found.
        detail: String,
    },
    /// The file system cannot give what durability needs.
    #[error("{} cannot be opened durably: {setting} is {found}; use a local disk", path.display())]
    NotDurable {
        /// The file.
        path: PathBuf,
        /// The setting that was refused.
        setting: &'static str,
        /// What it is instead.
        found: String,
    },
    /// The file cannot be opened or written.
    #[error("{} cannot be opened", path.display())]
    Unavailable {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: Source,
    },
}

/// Why a command failed inside the store.
#[derive(Debug)]
pub(super) enum Failure<R> {
    /// The command refuses, by its own rules. Nothing of it is written.
    Refused(R),
    /// Nothing is written.
    Unavailable(Source),
    /// The commit gave no clear answer.
    Unknown(Source),
    /// What is stored cannot be read.
    Corrupt(Source),
}

impl<R> Failure<R> {
    /// The same failure with another refusal.
    pub(super) fn map_refused<S>(self, refused: impl FnOnce(R) -> S) -> Failure<S> {
        match self {
            Failure::Refused(refusal) => Failure::Refused(refused(refusal)),
            Failure::Unavailable(source) => Failure::Unavailable(source),
            Failure::Unknown(source) => Failure::Unknown(source),
            Failure::Corrupt(source) => Failure::Corrupt(source),
        }
    }
}

impl<R> From<rusqlite::Error> for Failure<R> {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Failure::Corrupt(error.into()),
            None if matches!(error, rusqlite::Error::FromSqlConversionFailure(..)) => Failure::Corrupt(error.into()),
            _ => Failure::Unavailable(error.into()),
        }
    }
}

impl<R> From<serde_json::Error> for Failure<R> {
    fn from(error: serde_json::Error) -> Self {
        Failure::Corrupt(error.into())
    }
}

impl From<Failure<QueueError>> for QueueError {
    fn from(failure: Failure<QueueError>) -> Self {
        match failure {
            Failure::Refused(error) => error,
            Failure::Unavailable(source) => QueueError::Unavailable(source),
            Failure::Unknown(source) => QueueError::Unknown(source),
            Failure::Corrupt(source) => QueueError::Corrupt(source),
        }
    }
}

impl From<Failure<OutboxError>> for OutboxError {
    fn from(failure: Failure<OutboxError>) -> Self {
        match failure {
            Failure::Refused(error) => error,
            Failure::Unavailable(source) => OutboxError::Unavailable(source),
            Failure::Unknown(source) => OutboxError::Unknown(source),
            Failure::Corrupt(source) => OutboxError::Corrupt(source),
        }
    }
}

impl From<Failure<LedgerError>> for LedgerError {
    fn from(failure: Failure<LedgerError>) -> Self {
        match failure {
            Failure::Refused(error) => error,
            Failure::Unavailable(source) => LedgerError::Unavailable(source),
            Failure::Unknown(source) => LedgerError::Unknown(source),
            Failure::Corrupt(source) => LedgerError::Corrupt(source),
        }
    }
}
