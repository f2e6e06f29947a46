//! The tables, and how older files become newer ones.

use rusqlite::Connection;

/// Marks the file as ours: `nbld`.
pub(super) const APPLICATION_ID: i64 = 0x6e62_6c64;

/// One entry a version, never changed once released.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;

    CREATE TABLE publishers (
        publisher TEXT PRIMARY KEY,
        epoch INTEGER NOT NULL,
        last_seq INTEGER NOT NULL,
        pending INTEGER NOT NULL -- counted, because the bound is asked at every record
    ) STRICT;
    CREATE TABLE outbox (
        publisher TEXT NOT NULL,
        seq INTEGER NOT NULL,
        account TEXT NOT NULL,
        event_key TEXT NOT NULL,
        build_id TEXT NOT NULL UNIQUE,
        recorded_at INTEGER NOT NULL,
        build TEXT, -- NULL once published
        PRIMARY KEY (publisher, seq),
        UNIQUE (account, event_key)
    ) STRICT;
    CREATE INDEX outbox_pending ON outbox (publisher, seq) WHERE build IS NOT NULL;
    CREATE INDEX outbox_published ON outbox (recorded_at) WHERE build IS NULL;

    CREATE TABLE queue (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        message TEXT NOT NULL,
        published_at INTEGER NOT NULL,
        visible_at INTEGER NOT NULL,
        deliveries INTEGER NOT NULL,
        unacked INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX queue_visible ON queue (visible_at, id);
    CREATE TABLE queue_size (one INTEGER PRIMARY KEY CHECK (one = 1), messages INTEGER NOT NULL) STRICT;
    INSERT INTO queue_size VALUES (1, 0);
    CREATE TABLE queue_ids (message_id TEXT PRIMARY KEY, published_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX queue_ids_age ON queue_ids (published_at);

    CREATE TABLE lease (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        epoch INTEGER NOT NULL,
        last_batch INTEGER NOT NULL,
        holder TEXT,
        until INTEGER NOT NULL
    ) STRICT;
    INSERT INTO lease VALUES (1, 0, 0, NULL, 0);
    CREATE TABLE cursors (publisher TEXT PRIMARY KEY, epoch INTEGER NOT NULL, seq INTEGER NOT NULL) STRICT;
    CREATE TABLE builds (
        rank INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        account TEXT NOT NULL,
        project TEXT NOT NULL,
        admitted_at INTEGER NOT NULL,
        open INTEGER NOT NULL,
        record TEXT NOT NULL
    ) STRICT;
    CREATE INDEX builds_open ON builds (rank) WHERE open = 1;
    CREATE INDEX builds_account ON builds (account, rank);
    CREATE TABLE routes (executor TEXT NOT NULL, rank INTEGER NOT NULL, PRIMARY KEY (executor, rank)) STRICT, WITHOUT ROWID;
    CREATE TABLE changes (
        epoch INTEGER NOT NULL,
        batch INTEGER NOT NULL,
        position INTEGER NOT NULL,
        change TEXT NOT NULL,
        PRIMARY KEY (epoch, batch, position)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE sites (
        site INTEGER PRIMARY KEY,
        account TEXT NOT NULL,
        project TEXT NOT NULL,
        context TEXT NOT NULL,
        highest_rank INTEGER NOT NULL, -- never falls: a deploy made visible again lets no older build through
        current_rank INTEGER NOT NULL,
        UNIQUE (account, project, context)
    ) STRICT;
    CREATE TABLE deploys (
        site INTEGER NOT NULL REFERENCES sites,
        rank INTEGER NOT NULL,
        build_id TEXT NOT NULL,
        info TEXT NOT NULL,
        activated_at INTEGER NOT NULL,
        PRIMARY KEY (site, rank)
    ) STRICT, WITHOUT ROWID;
"];

/// The newest version.
pub(super) const NEWEST: i64 = MIGRATIONS.len() as i64;

/// Brings the file from its version to the newest, each step in a transaction of its own.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    loop {
        // Another process may migrate at the same time: the version is read inside the transaction that raises it.
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let Some(step) = usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version)) else {
            return Ok(());
        };
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version + 1)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.commit()?;
    }
}
