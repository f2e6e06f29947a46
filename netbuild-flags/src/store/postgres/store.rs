//! The calls of a store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::model::Timestamp;
use tokio::sync::{Mutex, MutexGuard, Notify};
use tokio::time::timeout;
use tokio_postgres::config::Config;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Transaction};

use super::session::{DEADLINE, PostgresStoreError, Session, within};
use crate::source::{Loaded, Source, SourceError};
use crate::store::change::{applied, flags};
use crate::store::text::{Row, before, read, signed, unsigned, written};
use crate::store::{Change, Revision, Store, StoreError};
use crate::{Definitions, FlagKey};

/// Between two looks whether a revision was made of which no notification came.
const LOOK: Duration = Duration::from_millis(500);

const CHANNEL: &str = "netbuild_flags";

/// Under a lock, since two processes that make the same table at once fail.
const SCHEMA: &str = "BEGIN;
    SELECT pg_advisory_xact_lock(7598805550979902822);
    CREATE TABLE IF NOT EXISTS flag_definitions (
        one integer PRIMARY KEY CHECK (one = 1), revision bigint NOT NULL, definitions text NOT NULL);
    CREATE TABLE IF NOT EXISTS flag_revision (
        number bigint PRIMARY KEY, at bigint NOT NULL, who text NOT NULL, why text NOT NULL, changed text NOT NULL);
    CREATE TABLE IF NOT EXISTS flag_revision_of (
        flag text NOT NULL, number bigint NOT NULL, PRIMARY KEY (flag, number));
    INSERT INTO flag_definitions VALUES (1, 0, '{}') ON CONFLICT DO NOTHING;
    COMMIT;";

const NEWEST: &str = "SELECT revision, definitions FROM flag_definitions";

/// Whoever has the lock is the only one to make a revision. The time is the database's, taken under the lock.
const LOCK: &str = "SELECT revision, definitions, (extract(epoch FROM clock_timestamp()) * 1000)::bigint
    FROM flag_definitions FOR UPDATE";

const HISTORY: &str = "SELECT number, at, who, why, changed FROM flag_revision
    WHERE number < $1 AND ($3::text IS NULL OR number IN (SELECT number FROM flag_revision_of WHERE flag = $3))
    ORDER BY number DESC LIMIT $2";

const CHANGED_AT: &str =
    "SELECT flag, at FROM (SELECT flag, max(number) AS number FROM flag_revision_of GROUP BY flag) AS last
    JOIN flag_revision USING (number)";

/// A store in a PostgreSQL database, version 14 or newer, which any number of processes share. Its tables are
/// `flag_definitions`, `flag_revision` and `flag_revision_of`, in the first schema of the connection's `search_path`.
///
/// It connects when it is asked, and again after a connection was lost. A call ends within five seconds, also when the server
/// is frozen. Times are those of the database's clock.
#[derive(Debug)]
pub struct PostgresStore {
    config: Config,
    session: Mutex<Option<Session>>,
    news: Arc<Notify>,
    /// The revision that was loaded last.
    loaded: AtomicU64,
}

type Values<'v> = &'v [&'v (dyn ToSql + Sync)];

impl PostgresStore {
    /// A store in the database at an address, `postgres://user:password@host:5432/database`. It connects, and makes the
    /// tables where they are not there, with the first call.
    ///
    /// # Errors
    /// [`PostgresStoreError::Address`].
    pub fn new(address: &str) -> Result<Self, PostgresStoreError> {
        let config = address.parse().map_err(|_| PostgresStoreError::Address)?;
        let news = Arc::default();
        Ok(PostgresStore { config, session: Mutex::default(), news, loaded: AtomicU64::new(u64::MAX) })
    }

    /// The connection, made again if it is over. Calls of one store go one after another.
    async fn session(&self) -> Result<Seat<'_>, PostgresStoreError> {
        let mut seat = self.session.lock().await;
        if seat.as_ref().is_none_or(|session| session.client.is_closed()) {
            *seat = None;
            *seat = Some(Session::connect(&self.config, CHANNEL, SCHEMA, self.news.clone()).await?);
        }
        Ok(Seat { seat, well: false })
    }

    async fn query(&self, sql: &str, values: Values<'_>) -> Result<Vec<tokio_postgres::Row>, StoreError> {
        let call = async {
            let mut seat = self.session().await?;
            let rows = seat.client()?.query(sql, values).await?;
            seat.well = true;
            Ok(rows)
        };
        let done = timeout(DEADLINE, call).await;
        done.unwrap_or(Err(PostgresStoreError::Deadline)).map_err(unavailable)
    }

    async fn newest(&self) -> Result<(u64, Definitions), StoreError> {
        let rows = self.query(NEWEST, &[]).await?;
        let row = rows.first().ok_or_else(gone)?;
        Ok((unsigned(row.get(0)), read(row.get(1))?))
    }

    async fn revisions(&self, before: i64, max: i64, flag: Option<&str>) -> Result<Vec<Revision>, StoreError> {
        self.query(HISTORY, &[&before, &max, &flag]).await?.iter().map(|row| self::row(row).read()).collect()
    }
}

/// The connection for one call. It is thrown away unless the call ended well: no call meets the rest of another.
struct Seat<'s> {
    seat: MutexGuard<'s, Option<Session>>,
    well: bool,
}

impl Seat<'_> {
    fn client(&mut self) -> Result<&mut Client, PostgresStoreError> {
        self.seat.as_mut().map(|session| &mut session.client).ok_or(PostgresStoreError::Deadline)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if !self.well {
            *self.seat = None;
        }
    }
}

#[async_trait]
impl Source for PostgresStore {
    async fn load(&self) -> Result<Loaded, SourceError> {
        let (revision, definitions) = self.newest().await.map_err(|error| match error {
            StoreError::Damaged(error) => SourceError::Unreadable(error),
            error => SourceError::Unavailable(error.into()),
        })?;
        self.loaded.store(revision, Ordering::Relaxed);
        Ok(Loaded { definitions, revision: Some(revision) })
    }

    async fn changed(&self) {
        loop {
            if timeout(LOOK, self.news.notified()).await.is_ok() {
                return;
            }
            let revision = self.newest().await.map(|(revision, _)| revision);
            if revision.ok() != Some(self.loaded.load(Ordering::Relaxed)) {
                return;
            }
        }
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn change(&self, change: Change) -> Result<u64, StoreError> {
        let connected = timeout(DEADLINE, self.session()).await;
        let mut seat = connected.unwrap_or(Err(PostgresStoreError::Deadline)).map_err(unavailable)?;
        let transaction = within(seat.client().map_err(unavailable)?.transaction()).await.map_err(unavailable)?;
        let made = make(&transaction, &change).await;
        let revision = match made {
            Ok(revision) => {
                within(transaction.commit()).await.map_err(|error| StoreError::Unknown(error.into()))?;
                Ok(revision)
            }
            Err(error @ StoreError::Unavailable(_)) => return Err(error),
            Err(refused) => {
                within(transaction.rollback()).await.map_err(unavailable)?;
                Err(refused)
            }
        };
        seat.well = true;
        revision
    }

    async fn history(
        &self,
        flag: Option<&FlagKey>,
        before: Option<u64>,
        max: usize,
    ) -> Result<Vec<Revision>, StoreError> {
        let (before, max) = (signed(before.unwrap_or(u64::MAX)), signed(max as u64));
        self.revisions(before, max, flag.map(FlagKey::as_str)).await
    }

    async fn at(&self, revision: u64) -> Result<Definitions, StoreError> {
        let (last, definitions) = self.newest().await?;
        let since = last.checked_sub(revision).ok_or(StoreError::NoRevision(revision))?;
        // What was made since these definitions were read does not count.
        Ok(before(definitions, self.revisions(signed(last + 1), signed(since), None).await?))
    }

    async fn changed_at(&self) -> Result<BTreeMap<FlagKey, Timestamp>, StoreError> {
        let read = |row: &tokio_postgres::Row| {
            let key = FlagKey::new(row.get::<_, &str>(0)).map_err(|error| StoreError::Damaged(error.into()))?;
            Ok((key, Timestamp::from_millis(unsigned(row.get(1)))))
        };
        self.query(CHANGED_AT, &[]).await?.iter().map(read).collect()
    }
}

async fn make(transaction: &Transaction<'_>, change: &Change) -> Result<u64, StoreError> {
    let rows = within(transaction.query(LOCK, &[])).await.map_err(unavailable)?;
    let row = rows.first().ok_or_else(gone)?;
    let (revision, definitions) = (unsigned(row.get(0)), read(row.get(1))?);
    let at: i64 = row.get(2);
    let (after, changed) = applied(&definitions, revision, change, Timestamp::from_millis(unsigned(at)))?;
    if changed.is_empty() {
        return Ok(revision);
    }
    let number = signed(revision + 1);
    let flags: Vec<&str> = flags(&changed).map(FlagKey::as_str).collect();
    let statements: [(&str, Values<'_>); 4] = [
        ("UPDATE flag_definitions SET revision = $1, definitions = $2", &[&number, &written(&after)]),
        (
            "INSERT INTO flag_revision VALUES ($1, $2, $3, $4, $5)",
            &[&number, &at, &change.who, &change.why, &written(&changed)],
        ),
        ("INSERT INTO flag_revision_of SELECT unnest($1::text[]), $2", &[&flags, &number]),
        ("SELECT pg_notify($1, '')", &[&CHANNEL]),
    ];
    for (sql, values) in statements {
        within(transaction.execute(sql, values)).await.map_err(unavailable)?;
    }
    Ok(revision + 1)
}

fn row(row: &tokio_postgres::Row) -> Row {
    Row { number: row.get(0), at: row.get(1), who: row.get(2), why: row.get(3), changed: row.get(4) }
}

fn gone() -> StoreError {
    StoreError::Damaged("the row of the definitions is gone".into())
}

fn unavailable(error: PostgresStoreError) -> StoreError {
    StoreError::Unavailable(error.into())
}
