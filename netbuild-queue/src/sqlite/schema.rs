//! The tables, as a list of migrations.

use rusqlite::{Connection, TransactionBehavior};

/// Marks a file as netbuild's: `nbld`.
pub(super) const APPLICATION_ID: i32 = 0x6e62_6c64;

/// The migrations: number `n` of the list leads from schema version `n` to `n + 1`. Published ones never change.
pub(super) const MIGRATIONS: &[&str] = &[VERSION_1];

const VERSION_1: &str = "
-- What each publisher recorded. Its pending events are those above published_seq.
CREATE TABLE outbox_publisher (
    publisher     TEXT PRIMARY KEY,
    epoch         INTEGER NOT NULL,
    last_seq      INTEGER NOT NULL,
    published_seq INTEGER NOT NULL
) STRICT;
CREATE TABLE outbox_event (
    publisher   TEXT NOT NULL REFERENCES outbox_publisher,
    seq         INTEGER NOT NULL,
    account     TEXT NOT NULL,
    event_key   TEXT NOT NULL,
    build_id    TEXT NOT NULL UNIQUE,
    recorded_at INTEGER NOT NULL,
    build       TEXT, -- freed once published
    PRIMARY KEY (publisher, seq),
    UNIQUE (account, event_key)
) STRICT, WITHOUT ROWID;

-- Messages as they were published. A row is never changed: what is handed out, and how often, stands in small rows of
-- its own, so that the large ones are written once.
CREATE TABLE queue_message (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    published_at INTEGER NOT NULL,
    message      TEXT NOT NULL
) STRICT;
-- How many messages there are, and up to which id each was handed out at least once.
CREATE TABLE queue_front (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    stored INTEGER NOT NULL,
    handed INTEGER NOT NULL
) STRICT;
INSERT INTO queue_front VALUES (1, 0, 0);
-- Those of them that were handed out and are not acked.
CREATE TABLE queue_handed (
    id         INTEGER PRIMARY KEY,
    visible_at INTEGER NOT NULL,
    held       INTEGER NOT NULL, -- 0 once it was given back
    deliveries INTEGER NOT NULL
) STRICT;
CREATE INDEX queue_handed_visible ON queue_handed (visible_at, held);
-- What is not handed out any more, as it was stored: it may be no message.
CREATE TABLE queue_dead (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    body       BLOB NOT NULL,
    kind       TEXT NOT NULL, -- unreadable, deliveries or buried
    reason     TEXT NOT NULL,
    deliveries INTEGER NOT NULL,
    died_at    INTEGER NOT NULL
) STRICT;
CREATE TABLE queue_seen (
    build_id     BLOB PRIMARY KEY,
    published_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_seen_age ON queue_seen (published_at);

CREATE TABLE ledger_lease (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    epoch      INTEGER NOT NULL,
    last_batch INTEGER NOT NULL,
    holder     TEXT,
    until      INTEGER NOT NULL
) STRICT;
INSERT INTO ledger_lease VALUES (1, 0, 0, NULL, 0);
CREATE TABLE ledger_name_key (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    bytes BLOB NOT NULL
) STRICT;
CREATE TABLE ledger_cursor (
    publisher TEXT PRIMARY KEY,
    epoch     INTEGER NOT NULL,
    seq       INTEGER NOT NULL
) STRICT;
-- Builds as JSON, with the columns that look-ups need.
CREATE TABLE ledger_build (
    rank        INTEGER PRIMARY KEY AUTOINCREMENT,
    build_id    TEXT NOT NULL UNIQUE,
    account     TEXT NOT NULL,
    project     TEXT NOT NULL,
    context     TEXT NOT NULL,
    admitted_at INTEGER NOT NULL,
    state       TEXT NOT NULL,
    record      TEXT NOT NULL
) STRICT;
CREATE INDEX ledger_build_open ON ledger_build (rank) WHERE state <> 'ended';
CREATE INDEX ledger_build_account ON ledger_build (account, rank);
CREATE INDEX ledger_build_admitted ON ledger_build (admitted_at);
CREATE TABLE ledger_attempt (
    executor TEXT NOT NULL,
    rank     INTEGER NOT NULL REFERENCES ledger_build,
    number   INTEGER NOT NULL,
    PRIMARY KEY (executor, rank, number)
) STRICT, WITHOUT ROWID;
-- Every change that was ever appended, for people. Nothing reads it back.
CREATE TABLE ledger_change (
    epoch    INTEGER NOT NULL,
    batch    INTEGER NOT NULL,
    position INTEGER NOT NULL,
    rank     INTEGER NOT NULL REFERENCES ledger_build,
    change   TEXT NOT NULL,
    PRIMARY KEY (epoch, batch, position)
) STRICT, WITHOUT ROWID;
-- What has one visible deploy. The highest rank that was ever activated never falls, so that a deploy which a person made
-- visible again does not open the way for builds older than the newest one.
CREATE TABLE ledger_site (
    account TEXT NOT NULL,
    project TEXT NOT NULL,
    context TEXT NOT NULL,
    highest INTEGER NOT NULL,
    current INTEGER NOT NULL REFERENCES ledger_build,
    PRIMARY KEY (account, project, context)
) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_deploy (
    account      TEXT NOT NULL,
    project      TEXT NOT NULL,
    context      TEXT NOT NULL,
    rank         INTEGER NOT NULL REFERENCES ledger_build,
    build_id     TEXT NOT NULL,
    info         TEXT NOT NULL,
    activated_at INTEGER NOT NULL,
    PRIMARY KEY (account, project, context, rank)
) STRICT, WITHOUT ROWID;
";

/// What a file is, by its header and tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// An empty file, or one of netbuild whose schema this code knows.
    Ours,
    /// A database of another application, with its application id.
    Other(i32),
    /// A file of a newer netbuild, with its schema version.
    Newer(i64),
}

/// Looks at a file without changing it.
pub(super) fn look(connection: &mut Connection) -> rusqlite::Result<Found> {
    // One transaction, so that another process cannot make the tables between the two looks.
    let transaction = connection.transaction()?;
    let application_id = transaction.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version = version(&transaction)?;
    let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(what_is(application_id, version, tables))
}

fn what_is(application_id: i32, version: i64, tables: i64) -> Found {
    match application_id {
        APPLICATION_ID if version > latest() => Found::Newer(version),
        APPLICATION_ID => Found::Ours,
        0 if version == 0 && tables == 0 => Found::Ours,
        other => Found::Other(other),
    }
}

/// The newest schema version.
pub(super) fn latest() -> i64 {
    i64::try_from(MIGRATIONS.len()).expect("a list of migrations is short")
}

/// Brings a file that is [`Found::Ours`] to the latest version, a transaction for each step. Answers the version that it
/// had.
pub(super) fn migrate(connection: &mut Connection, migrations: &[&str]) -> rusqlite::Result<i64> {
    let before = version(connection)?;
    for (from, migration) in (0_i64..).zip(migrations) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Read under the write lock: another process may have done this step meanwhile.
        if version(&transaction)? != from {
            continue;
        }
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", from + 1)?;
        transaction.commit()?;
    }
    Ok(before)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: &str = "CREATE TABLE more (text TEXT) STRICT; INSERT INTO more VALUES ('new');";

    #[test]
    fn each_step_is_done_once_and_data_stays() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert_eq!(look(&mut connection).unwrap(), Found::Ours);
        assert_eq!(migrate(&mut connection, &MIGRATIONS[..1]).unwrap(), 0);
        connection.execute_batch("INSERT INTO ledger_cursor VALUES ('api', 1, 7)").unwrap();
        for (before, after) in [(1, 2), (2, 2)] {
            assert_eq!(migrate(&mut connection, &[VERSION_1, SECOND]).unwrap(), before);
            assert_eq!(version(&connection).unwrap(), after);
        }
        let rows = "SELECT (SELECT count(*) FROM more), (SELECT seq FROM ledger_cursor)";
        let found: (i64, i64) = connection.query_row(rows, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(found, (1, 7));
    }

    #[test]
    fn a_step_that_fails_leaves_the_version_before_it() {
        let mut connection = Connection::open_in_memory().unwrap();
        let broken = "CREATE TABLE half (text TEXT) STRICT; SELECT nothing FROM nowhere;";
        assert!(migrate(&mut connection, &[VERSION_1, broken]).is_err());
        assert_eq!(version(&connection).unwrap(), 1);
        assert_eq!(look(&mut connection).unwrap(), Found::Ours);
        let half = "SELECT count(*) FROM sqlite_schema WHERE name = 'half'";
        assert_eq!(connection.query_row(half, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    }

    #[test]
    fn a_file_is_known_by_id_version_and_tables() {
        for (id, version, tables, expected) in [
            (0, 0, 0, Found::Ours),
            (0, 0, 1, Found::Other(0)),
            (0, 3, 0, Found::Other(0)),
            (7, 0, 0, Found::Other(7)),
            (7, 99, 4, Found::Other(7)),
            (APPLICATION_ID, latest(), 9, Found::Ours),
            (APPLICATION_ID, latest() + 1, 9, Found::Newer(latest() + 1)),
        ] {
            assert_eq!(what_is(id, version, tables), expected, "id {id}, version {version}, {tables} tables");
        }
    }
}
