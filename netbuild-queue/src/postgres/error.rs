//! Why a store failed: the one place where the client's errors are translated.

use std::fmt;
use std::time::Duration;

use tokio_postgres::error::{Severity, SqlState};

use crate::answer::{self, Meaning};
use crate::value::Unreadable;

/// Why a store cannot be opened, or what stands behind an error of its ports. Its text names the server and says what to
/// do. It never holds a password, nor what stands in a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// The address is not one.
    #[error("the address of the database cannot be read: write postgres://user:password@host:port/database")]
    Address,
    /// The name of the schema is not one.
    #[error("{0:?} cannot be the schema: 1 to 40 of a-z, 0-9 and _, not beginning with a digit or pg_")]
    Schema(String),
    /// The server cannot be reached.
    #[error("{server} cannot be reached ({said}): see that it runs, and that the way to it is open")]
    Unreachable {
        /// Host, port and database.
        server: String,
        /// What the system or the client said.
        said: String,
    },
    /// The server does not let this user in, or has no such database.
    #[error("{server} refuses the connection ({said}): see user, password, database, and the server's pg_hba.conf")]
    Refused {
        /// Host, port and database.
        server: String,
        /// What the server said.
        said: ServerSaid,
    },
    /// The server asks for TLS or cannot do it.
    #[error("no TLS with {server} ({said}): open the store with open_with_tls, or see sslmode in the address")]
    Tls {
        /// Host, port and database.
        server: String,
        /// What the client said.
        said: String,
    },
    /// The server is too old.
    #[error("{server} is PostgreSQL {found}, and 14 is the oldest that netbuild knows: upgrade the server")]
    OldServer {
        /// Host, port and database.
        server: String,
        /// Its version.
        found: String,
    },
    /// The server is set to lose what it confirmed.
    #[error(
        "{setting} is {found} on {server}, so a crash loses what it confirmed: set it to on in postgresql.conf, or \
         allow_lossy for what may be lost"
    )]
    Lossy {
        /// Host, port and database.
        server: String,
        /// The setting.
        setting: &'static str,
        /// What it is.
        found: String,
    },
    /// A setting that the promises need did not come to the server with the connection.
    #[error(
        "{setting} is {found} and must be {wanted} on {server}: connect to the server itself, or to a pooler in session \
             mode that passes `options` on"
    )]
    Setting {
        /// Host, port and database.
        server: String,
        /// The setting.
        setting: &'static str,
        /// What it must be.
        wanted: String,
        /// What it is.
        found: String,
    },
    /// The schema holds tables of something else. Nothing was changed.
    #[error(
        "the schema {schema} on {server} holds something that is not netbuild's: give the store a schema of its own"
    )]
    OtherSchema {
        /// Host, port and database.
        server: String,
        /// The schema.
        schema: String,
    },
    /// A newer netbuild made the tables. Nothing was changed.
    #[error(
        "the schema {schema} on {server} has version {found}, and this netbuild knows up to {known}: run the newer one"
    )]
    NewerSchema {
        /// Host, port and database.
        server: String,
        /// The schema.
        schema: String,
        /// Its version.
        found: i32,
        /// The newest that this netbuild knows.
        known: i32,
    },
    /// The server did not carry out a statement; nothing of its transaction was written.
    #[error("{server} refused: {said}")]
    Failed {
        /// Host, port and database.
        server: String,
        /// What the server said.
        said: ServerSaid,
    },
    /// There is no room for more.
    #[error("{server} has no room ({said}): make room on its disk")]
    Full {
        /// Host, port and database.
        server: String,
        /// What the server said.
        said: ServerSaid,
    },
    /// A row or a page is damaged.
    #[error("what {server} holds is damaged: {found}. Stop what writes to it and restore a copy")]
    Damaged {
        /// Host, port and database.
        server: String,
        /// What was found.
        found: String,
    },
    /// The connection broke in the middle of a call.
    #[error("the connection to {server} was lost ({said}); the next call makes a new one")]
    Lost {
        /// Host, port and database.
        server: String,
        /// What the client said.
        said: String,
    },
    /// The call was not over at its deadline.
    #[error("no answer from {server} within {after:?}: it is overloaded, frozen, or behind a broken network")]
    Deadline {
        /// Host, port and database.
        server: String,
        /// The call's deadline.
        after: Duration,
    },
    /// The store was closed.
    #[error("the store on {server} was closed: open it again")]
    Closed {
        /// Host, port and database.
        server: String,
    },
}

/// What the server said, without the details, which may repeat what stands in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSaid {
    /// The [code](https://www.postgresql.org/docs/current/errcodes-appendix.html) of the error.
    pub code: String,
    /// The sentence that goes with it.
    pub message: String,
}

impl fmt::Display for ServerSaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// Why a call came to no answer of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// There is no connection, so nothing was sent.
    NoConnection(PostgresError),
    /// The server refused a statement and took back its transaction.
    Sql(SqlState, String),
    /// The connection was lost, or the server's process ended.
    Lost { effect: Sent, said: String },
    /// The deadline passed.
    Deadline(Sent),
    /// A row is not what was written.
    Unreadable(String),
}

/// Whether something was on its way that commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    NoCommit,
    Commit,
}

pub(super) type Stop<E> = answer::Stop<E, Fault>;
pub(super) type Told = answer::Told<PostgresError>;

impl From<Unreadable> for Fault {
    fn from(error: Unreadable) -> Self {
        Fault::Unreadable(error.0)
    }
}

impl<E> From<Unreadable> for Stop<E> {
    fn from(error: Unreadable) -> Self {
        Stop::Fault(error.into())
    }
}

impl Fault {
    /// The fault of a statement, with which something was on its way.
    pub(super) fn of(error: &tokio_postgres::Error, effect: Sent) -> Self {
        let Some(said) = error.as_db_error() else { return Fault::Lost { effect, said: chain(error) } };
        // An error undoes the transaction and its answer says so. What ends the server's process may come after a commit.
        match said.parsed_severity() {
            Some(Severity::Error) if !said.code().code().starts_with("08") => {
                Fault::Sql(said.code().clone(), said.message().to_owned())
            }
            _ => Fault::Lost { effect, said: said_by(said).to_string() },
        }
    }

    /// Whether another transaction got in the way, and this one can be tried again at once.
    pub(super) fn is_clash(&self) -> bool {
        let Fault::Sql(code, _) = self else { return false };
        [SqlState::UNIQUE_VIOLATION, SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE]
            .contains(code)
    }

    pub(super) fn meaning(&self) -> Meaning {
        match self {
            Fault::Sql(code, _) if is_damage(code) => Meaning::Damaged,
            Fault::Unreadable(_) => Meaning::Damaged,
            Fault::Lost { effect: Sent::Commit, .. } | Fault::Deadline(Sent::Commit) => Meaning::MaybeWritten,
            _ => Meaning::NothingWritten,
        }
    }

    pub(super) fn explain(self, server: &str, deadline: Duration) -> PostgresError {
        let server = server.to_owned();
        match self {
            Fault::NoConnection(error) => error,
            Fault::Sql(code, message) if is_damage(&code) => PostgresError::Damaged { server, found: message },
            Fault::Sql(code, message) => {
                let said = ServerSaid { code: code.code().to_owned(), message };
                match code {
                    SqlState::DISK_FULL => PostgresError::Full { server, said },
                    _ => PostgresError::Failed { server, said },
                }
            }
            Fault::Lost { said, .. } => PostgresError::Lost { server, said },
            Fault::Deadline(_) => PostgresError::Deadline { server, after: deadline },
            Fault::Unreadable(found) => PostgresError::Damaged { server, found },
        }
    }
}

fn is_damage(code: &SqlState) -> bool {
    [SqlState::DATA_CORRUPTED, SqlState::INDEX_CORRUPTED].contains(code)
}

pub(super) fn said_by(error: &tokio_postgres::error::DbError) -> ServerSaid {
    ServerSaid { code: error.code().code().to_owned(), message: error.message().to_owned() }
}

/// An error of the client with its causes; none of them is the server's.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        // Some errors repeat their cause.
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_lost_with_a_commit_on_its_way_is_unknown() {
        let lost = |effect| Fault::Lost { effect, said: String::new() };
        for (fault, expected) in [
            (lost(Sent::Commit), Meaning::MaybeWritten),
            (lost(Sent::NoCommit), Meaning::NothingWritten),
            (Fault::Deadline(Sent::Commit), Meaning::MaybeWritten),
            (Fault::Deadline(Sent::NoCommit), Meaning::NothingWritten),
            (Fault::Sql(SqlState::QUERY_CANCELED, String::new()), Meaning::NothingWritten),
            (Fault::Sql(SqlState::DATA_CORRUPTED, String::new()), Meaning::Damaged),
            (Fault::Unreadable(String::new()), Meaning::Damaged),
            (Fault::NoConnection(PostgresError::Address), Meaning::NothingWritten),
        ] {
            assert_eq!(fault.meaning(), expected, "{fault:?}");
        }
    }

    #[test]
    fn every_text_names_the_server() {
        let faults = [
            Fault::Sql(SqlState::DISK_FULL, "no space".to_owned()),
            Fault::Sql(SqlState::INDEX_CORRUPTED, "a page".to_owned()),
            Fault::Sql(SqlState::QUERY_CANCELED, "timeout".to_owned()),
            Fault::Lost { effect: Sent::Commit, said: "closed".to_owned() },
            Fault::Deadline(Sent::NoCommit),
            Fault::Unreadable("no build".to_owned()),
        ];
        for fault in faults {
            let text = fault.explain("db.example:5432/ci", Duration::from_secs(1)).to_string();
            assert!(text.contains("db.example:5432/ci"), "{text}");
        }
    }
}
