//! The tables, as a list of migrations.

use tokio_postgres::Row;

use super::error::PostgresError;
use super::options::PostgresOptions;
use super::pool::explain;
use super::session::Session;

/// The migrations: number `n` of the list leads from schema version `n` to `n + 1`. Published ones never change.
const MIGRATIONS: &[&str] = &[VERSION_1];

const VERSION_1: &str = "
-- The database's clock, in milliseconds: every time in these tables is its own.
CREATE FUNCTION now_ms() RETURNS bigint LANGUAGE sql STABLE AS
    $$ SELECT floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint $$;

-- What each publisher recorded. Its pending events are those above published_seq.
CREATE TABLE outbox_publisher (
    publisher     text PRIMARY KEY,
    epoch         bigint NOT NULL,
    last_seq      bigint NOT NULL,
    published_seq bigint NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE outbox_event (
    publisher   text NOT NULL REFERENCES outbox_publisher,
    seq         bigint NOT NULL,
    account     text NOT NULL,
    event_key   bytea NOT NULL,
    build_id    uuid NOT NULL UNIQUE,
    recorded_at bigint NOT NULL,
    build       text, -- freed once published
    PRIMARY KEY (publisher, seq),
    UNIQUE (account, event_key)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

-- A message is moved from ready to handed when it is handed out, and is gone once it is acked. So each table has one order
-- in which it is read, its front, and what lies behind costs nothing.
CREATE TABLE queue_ready (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    published_at bigint NOT NULL,
    body         bytea NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
CREATE TABLE queue_handed (
    id           bigint PRIMARY KEY,
    published_at bigint NOT NULL,
    visible_at   bigint NOT NULL,
    held         boolean NOT NULL, -- false once it was given back
    deliveries   integer NOT NULL,
    body         bytea NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX queue_handed_visible ON queue_handed (visible_at, id);
CREATE TABLE queue_seen (
    build_id     uuid PRIMARY KEY,
    published_at bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX queue_seen_age ON queue_seen (published_at);
CREATE TABLE queue_dead (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    body       bytea NOT NULL,
    kind       text NOT NULL,
    reason     text NOT NULL,
    deliveries integer NOT NULL,
    died_at    bigint NOT NULL
);

CREATE TABLE ledger_lease (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    epoch      bigint NOT NULL,
    last_batch bigint NOT NULL,
    holder     text,
    until      bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO ledger_lease VALUES (true, 0, 0, NULL, 0);
CREATE TABLE ledger_name_key (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    bytes bytea NOT NULL
);
CREATE TABLE ledger_cursor (
    publisher text PRIMARY KEY,
    epoch     bigint NOT NULL,
    seq       bigint NOT NULL
) WITH (fillfactor = 50);
-- Builds as JSON, with the columns that look-ups need.
CREATE TABLE ledger_build (
    rank        bigint PRIMARY KEY,
    build_id    uuid NOT NULL UNIQUE,
    account     text NOT NULL,
    project     text NOT NULL,
    context     text NOT NULL,
    admitted_at bigint NOT NULL,
    state       text NOT NULL,
    record      text NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX ledger_build_open ON ledger_build (rank) WHERE state <> 'ended';
CREATE INDEX ledger_build_account ON ledger_build (account, rank);
CREATE INDEX ledger_build_admitted ON ledger_build (admitted_at);
CREATE TABLE ledger_attempt (
    executor text NOT NULL,
    rank     bigint NOT NULL REFERENCES ledger_build,
    number   bigint NOT NULL,
    PRIMARY KEY (executor, rank, number)
);
-- Every change that was ever appended, for people. Nothing reads it back.
CREATE TABLE ledger_change (
    epoch    bigint NOT NULL,
    batch    bigint NOT NULL,
    position bigint NOT NULL,
    rank     bigint NOT NULL REFERENCES ledger_build,
    change   text NOT NULL,
    PRIMARY KEY (epoch, batch, position)
);
-- What has one visible deploy. The highest rank that was ever activated never falls, so that a deploy which a person made
-- visible again does not open the way for builds older than the newest one.
CREATE TABLE ledger_site (
    account text NOT NULL,
    project text NOT NULL,
    context text NOT NULL,
    highest bigint NOT NULL,
    current bigint NOT NULL REFERENCES ledger_build,
    PRIMARY KEY (account, project, context)
);
CREATE TABLE ledger_deploy (
    account      text NOT NULL,
    project      text NOT NULL,
    context      text NOT NULL,
    rank         bigint NOT NULL REFERENCES ledger_build,
    build_id     uuid NOT NULL,
    info         text NOT NULL,
    activated_at bigint NOT NULL,
    PRIMARY KEY (account, project, context, rank)
);
";

/// What a schema is, by its tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// It is not there, or empty.
    Nothing,
    /// It is netbuild's, of this version.
    Ours(i32),
    /// It holds something else.
    Other,
}

/// The newest schema version.
fn latest() -> i32 {
    i32::try_from(MIGRATIONS.len()).expect("a list of migrations is short")
}

/// Brings the schema to the latest version, one process at a time. A schema that has it is not touched, so that a role which
/// may not make tables can open it.
pub(super) async fn migrate(session: &Session, server: &str, options: &PostgresOptions) -> Result<(), PostgresError> {
    let explain = |error| explain(server, &error);
    if judge(look(session, &options.schema).await.map_err(explain)?, server, options)? == latest() {
        return Ok(());
    }
    session.batch("BEGIN").await.map_err(explain)?;
    // Until the end of the transaction; by name, so that two schemas do not wait for each other.
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('netbuild schema ' || $1, 0))";
    session.query_once(lock, &[&options.schema]).await.map_err(explain)?;
    let before = judge(look(session, &options.schema).await.map_err(explain)?, server, options)?;
    if before == 0 {
        let make = format!(
            "CREATE SCHEMA IF NOT EXISTS {}; CREATE TABLE schema_version (version integer NOT NULL);
             INSERT INTO schema_version VALUES (0)",
            options.schema
        );
        session.batch(&make).await.map_err(explain)?;
    }
    for migration in MIGRATIONS.iter().skip(usize::try_from(before).unwrap_or(0)) {
        session.batch(migration).await.map_err(explain)?;
    }
    session.batch(&format!("UPDATE schema_version SET version = {}; COMMIT", latest())).await.map_err(explain)?;
    tracing::info!(server, schema = options.schema, from = before, to = latest(), "schema migrated");
    Ok(())
}

/// The version to start from, if the schema is for this code to use.
fn judge(found: Found, server: &str, options: &PostgresOptions) -> Result<i32, PostgresError> {
    let (server, schema) = (server.to_owned(), options.schema.clone());
    match found {
        Found::Nothing => Ok(0),
        Found::Other => Err(PostgresError::OtherSchema { server, schema }),
        Found::Ours(found) if found > latest() => {
            Err(PostgresError::NewerSchema { server, schema, found, known: latest() })
        }
        Found::Ours(found) => Ok(found),
    }
}

/// Looks at a schema without changing it.
async fn look(session: &Session, schema: &str) -> Result<Found, tokio_postgres::Error> {
    let tables = "SELECT relname FROM pg_catalog.pg_class WHERE relnamespace =
                  (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1) AND relkind IN ('r', 'p', 'v', 'm', 'f')";
    let tables = session.query_once(tables, &[&schema]).await?;
    let name = |row: &Row| row.get::<_, String>(0);
    if tables.is_empty() {
        return Ok(Found::Nothing);
    }
    let has = |table: &str| tables.iter().any(|row| name(row) == table);
    if !has("schema_version") || !has("ledger_lease") {
        return Ok(Found::Other);
    }
    let rows = session.query_once(&format!("SELECT version FROM {schema}.schema_version"), &[]).await?;
    Ok(rows.first().map_or(Found::Other, |row| Found::Ours(row.get(0))))
}
