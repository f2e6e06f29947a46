//! One file with everything in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use netbuild_core::model::PublisherId;
use netbuild_core::port::{Clock, Event, OutboxError, Recorded};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::Notify;

use super::error::OpenError;
use super::ledger::SqliteLedger;
use super::options::SqliteOptions;
use super::outbox::SqliteOutbox;
use super::queue::SqliteQueue;
use super::schema;
use super::writer::Writer;
use super::{outbox_rows, queue_rows};

/// A SQLite file that holds outbox, queue and ledger. Cheap to clone; the file is closed when the last clone, and the last
/// store made from it, is dropped.
///
/// Several processes of one machine may open the same file. It must lie on a local disk.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    pub(super) writer: Writer,
    pub(super) options: Arc<SqliteOptions>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) published: Arc<Notify>,
}

impl SqliteStore {
    /// Opens the file, making it or bringing its schema up to date.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is changed in a file that is newer, damaged or another application's.
    pub async fn open(
        path: impl Into<PathBuf>,
        options: SqliteOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let path = path.into();
        let (opening, busy) = (path.clone(), options.busy_timeout);
        let opened = tokio::task::spawn_blocking(move || connect(&opening, busy)).await;
        let connection = opened.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))?;
        let writer =
            Writer::start(connection).map_err(|source| OpenError::Unavailable { path, source: source.into() })?;
        Ok(SqliteStore { writer, options: Arc::new(options), clock, published: Arc::default() })
    }

    /// The outbox of a publisher in this file. Its epoch is made at the first call and kept.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub async fn outbox(&self, publisher: PublisherId) -> Result<SqliteOutbox, OutboxError> {
        SqliteOutbox::open(self.clone(), publisher).await
    }

    /// The queue in this file.
    pub fn queue(&self) -> SqliteQueue {
        SqliteQueue::new(self.clone())
    }

    /// The ledger in this file.
    pub fn ledger(&self) -> SqliteLedger {
        SqliteLedger::new(self.clone())
    }

    /// Records events and publishes them in one transaction, for a host whose outbox and queue share this file: what was
    /// accepted is in the queue, whatever happens next. Messages that are pending from before go first, so the order stays.
    ///
    /// # Errors
    /// [`OutboxError`]; a full queue is [`OutboxError::Full`] as well. Nothing is recorded then.
    pub async fn record_and_publish(
        &self,
        outbox: &SqliteOutbox,
        batch: &[Event],
    ) -> Result<Vec<Recorded>, OutboxError> {
        let (outbox, batch) = (outbox.rows(), batch.to_vec());
        let (options, now) = (self.options.clone(), self.clock.now());
        let recorded = self.writer.run(move |connection| {
            let recorded = outbox_rows::record(connection, &outbox, &batch, &options, now)?;
            let pending = outbox_rows::pending(connection, &outbox, 0, usize::MAX)?;
            if let Some(last) = pending.last() {
                let published = queue_rows::publish(connection, &pending, &options, now);
                published.map_err(|failure| failure.map_refused(|limit| OutboxError::Full { limit }))?;
                outbox_rows::published(connection, &outbox, last.place.seq, &options, now)?;
            }
            Ok(recorded)
        });
        let recorded = recorded.await?;
        self.published.notify_waiters();
        Ok(recorded)
    }

    /// How many transactions were committed: callers that come at the same time share one.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }
}

/// A connection with everything set that durability needs, and checked.
fn connect(path: &Path, busy_timeout: std::time::Duration) -> Result<Connection, OpenError> {
    let translate = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            OpenError::Corrupt { path: path.to_owned(), detail: error.to_string() }
        }
        _ => OpenError::Unavailable { path: path.to_owned(), source: error.into() },
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(translate)?;
    connection.busy_timeout(busy_timeout).map_err(translate)?;
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(translate);
    let (application, found) = (number("application_id")?, number("user_version")?);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(translate)?;
    if application != schema::APPLICATION_ID && (application != 0 || tables != 0) {
        return Err(OpenError::NotOurs(path.to_owned()));
    }
    if found > schema::NEWEST {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: schema::NEWEST });
    }
    let check: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(translate)?;
    if check != "ok" {
        return Err(OpenError::Corrupt { path: path.to_owned(), detail: check });
    }
    set(&connection, path, "journal_mode", "wal", "wal").map_err(translate)??;
    set(&connection, path, "synchronous", "FULL", "2").map_err(translate)??;
    set(&connection, path, "foreign_keys", "ON", "1").map_err(translate)??;
    schema::migrate(&mut connection).map_err(translate)?;
    Ok(connection)
}

/// Sets a pragma and reads back whether it holds.
fn set(
    connection: &Connection,
    path: &Path,
    setting: &'static str,
    value: &str,
    wanted: &str,
) -> rusqlite::Result<Result<(), OpenError>> {
    connection.pragma_update(None, setting, value)?;
    let found = connection.pragma_query_value(None, setting, |row| {
        row.get::<_, rusqlite::types::Value>(0).map(|value| match value {
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            other => format!("{other:?}"),
        })
    })?;
    if found == wanted {
        return Ok(Ok(()));
    }
    Ok(Err(OpenError::NotDurable { path: path.to_owned(), setting, found }))
}
