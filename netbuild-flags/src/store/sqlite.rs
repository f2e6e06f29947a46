//! A store in a SQLite file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::model::Timestamp;
use netbuild_core::port::Clock;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use tokio::task::spawn_blocking;

use super::change::{applied, flags};
use super::text::{Row, before, read, signed, unsigned, written};
use super::{Change, Revision, Store, StoreError};
use crate::source::{Loaded, Source, SourceError};
use crate::{Definitions, FlagKey};

/// Between two looks whether somebody made a revision.
const LOOK: Duration = Duration::from_millis(250);

/// How long a call waits for another process's.
const BUSY: Duration = Duration::from_secs(5);

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS flag_definitions (
        one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL, definitions TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS flag_revision (
        number INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL, changed TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS flag_revision_of (
        flag TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (flag, number)) STRICT, WITHOUT ROWID;
    INSERT OR IGNORE INTO flag_definitions VALUES (1, 0, '{}');";

const NEWEST: &str = "SELECT revision, definitions FROM flag_definitions";

const HISTORY: &str = "SELECT number, at, who, why, changed FROM flag_revision
    WHERE number < ?1 ORDER BY number DESC LIMIT ?2";

const HISTORY_OF: &str = "SELECT number, at, who, why, changed FROM flag_revision
    WHERE number < ?1 AND number IN (SELECT number FROM flag_revision_of WHERE flag = ?3)
    ORDER BY number DESC LIMIT ?2";

const CHANGED_AT: &str = "SELECT flag, at FROM (SELECT flag, max(number) AS number FROM flag_revision_of GROUP BY flag)
    JOIN flag_revision USING (number)";

/// A store in a SQLite file, which any number of processes of a machine share. Its tables are `flag_definitions`,
/// `flag_revision` and `flag_revision_of`; the file may hold others. What was answered survives a power cut
/// (`synchronous=FULL`). Times are those of the clock of the process that makes the change.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    connection: Arc<Mutex<Connection>>,
    clock: Arc<dyn Clock>,
    /// The revision that was loaded last.
    loaded: Arc<AtomicI64>,
}

impl SqliteStore {
    /// Opens a file, or makes it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it cannot be opened.
    pub async fn open(path: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let path = path.as_ref().to_owned();
        let open = move || {
            let connection = Connection::open(path)?;
            connection.busy_timeout(BUSY)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.execute_batch(SCHEMA)?;
            Ok(connection)
        };
        let connection = Arc::new(Mutex::new(blocking(open).await?.map_err(unavailable)?));
        Ok(SqliteStore { connection, clock, loaded: Arc::new(AtomicI64::new(-1)) })
    }

    /// Carries out `work` in a transaction, on a thread that may wait.
    async fn transact<T: Send + 'static>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = self.connection.clone();
        let call = move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = connection.transaction_with_behavior(behavior).map_err(unavailable)?;
            let done = work(&transaction)?;
            transaction.commit().map_err(unavailable)?;
            Ok(done)
        };
        blocking(call).await?
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.transact(TransactionBehavior::Deferred, work).await
    }
}

#[async_trait]
impl Source for SqliteStore {
    async fn load(&self) -> Result<Loaded, SourceError> {
        let (revision, definitions) = self.read(newest).await.map_err(|error| match error {
            StoreError::Damaged(error) => SourceError::Unreadable(error),
            error => SourceError::Unavailable(error.into()),
        })?;
        self.loaded.store(signed(revision), Ordering::Relaxed);
        Ok(Loaded { definitions, revision: Some(revision) })
    }

    async fn changed(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            let revision = self.read(|transaction| Ok(newest(transaction)?.0)).await;
            if revision.ok().map(signed) != Some(self.loaded.load(Ordering::Relaxed)) {
                return;
            }
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn change(&self, change: Change) -> Result<u64, StoreError> {
        let now = self.clock.now();
        let work = move |transaction: &Transaction<'_>| {
            let (revision, definitions) = newest(transaction)?;
            let (after, changed) = applied(&definitions, revision, &change, now)?;
            if changed.is_empty() {
                return Ok(revision);
            }
            let number = signed(revision + 1);
            transaction
                .execute(
                    "UPDATE flag_definitions SET revision = ?1, definitions = ?2",
                    params![number, written(&after)],
                )
                .map_err(unavailable)?;
            let row = params![number, signed(now.as_millis()), change.who, change.why, written(&changed)];
            transaction.execute("INSERT INTO flag_revision VALUES (?1, ?2, ?3, ?4, ?5)", row).map_err(unavailable)?;
            for flag in flags(&changed) {
                let row = params![flag.as_str(), number];
                transaction.execute("INSERT INTO flag_revision_of VALUES (?1, ?2)", row).map_err(unavailable)?;
            }
            Ok(revision + 1)
        };
        self.transact(TransactionBehavior::Immediate, work).await
    }

    async fn history(
        &self,
        flag: Option<&FlagKey>,
        before: Option<u64>,
        max: usize,
    ) -> Result<Vec<Revision>, StoreError> {
        let (flag, before, max) = (flag.cloned(), signed(before.unwrap_or(u64::MAX)), signed(max as u64));
        let work = move |transaction: &Transaction<'_>| match flag {
            None => rows(transaction, HISTORY, params![before, max]),
            Some(flag) => rows(transaction, HISTORY_OF, params![before, max, flag.as_str()]),
        };
        self.read(work).await
    }

    async fn at(&self, revision: u64) -> Result<Definitions, StoreError> {
        let work = move |transaction: &Transaction<'_>| {
            let (last, definitions) = newest(transaction)?;
            let since = last.checked_sub(revision).ok_or(StoreError::NoRevision(revision))?;
            Ok(before(definitions, rows(transaction, HISTORY, params![i64::MAX, signed(since)])?))
        };
        self.read(work).await
    }

    async fn changed_at(&self) -> Result<BTreeMap<FlagKey, Timestamp>, StoreError> {
        let work = |transaction: &Transaction<'_>| {
            let mut statement = transaction.prepare_cached(CHANGED_AT).map_err(unavailable)?;
            let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?));
            let found = statement.query_map([], row).map_err(unavailable)?;
            let found: Vec<(String, i64)> = found.collect::<Result<_, _>>().map_err(unavailable)?;
            let read = |(key, at): (String, i64)| {
                let key = FlagKey::new(key).map_err(|error| StoreError::Damaged(error.into()))?;
                Ok((key, Timestamp::from_millis(unsigned(at))))
            };
            found.into_iter().map(read).collect()
        };
        self.read(work).await
    }
}

fn newest(transaction: &Transaction<'_>) -> Result<(u64, Definitions), StoreError> {
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
    let found = transaction.query_row(NEWEST, [], row).optional().map_err(unavailable)?;
    let (revision, text) = found.ok_or_else(|| StoreError::Damaged("the row of the definitions is gone".into()))?;
    Ok((unsigned(revision), read(&text)?))
}

fn rows(transaction: &Transaction<'_>, sql: &str, values: impl rusqlite::Params) -> Result<Vec<Revision>, StoreError> {
    let mut statement = transaction.prepare_cached(sql).map_err(unavailable)?;
    let row = |row: &rusqlite::Row<'_>| {
        Ok(Row { number: row.get(0)?, at: row.get(1)?, who: row.get(2)?, why: row.get(3)?, changed: row.get(4)? })
    };
    let found = statement.query_map(values, row).map_err(unavailable)?;
    found.map(|row| row.map_err(unavailable)?.read()).collect()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    spawn_blocking(work).await.map_err(|error| StoreError::Unavailable(error.into()))
}

fn unavailable(error: rusqlite::Error) -> StoreError {
    StoreError::Unavailable(error.into())
}
