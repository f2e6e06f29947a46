//! Builds in the ledger: admission, changes and queries.

use std::collections::BTreeMap;

use netbuild_core::model::{
    BuildKey, BuildRecord, BuildState, Change, IllegalChange, IllegalChangeKind, NameKey, Place, PublisherId, Rank,
    Timestamp,
};
use netbuild_core::port::{Admission, Batch, BuildQuery, Cursor, LedgerError, Message};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::Failure;

type Result<T> = std::result::Result<T, Failure<LedgerError>>;

/// The key of the name hash, made by SQLite's random source at the first call.
pub(super) fn name_key(connection: &Connection) -> Result<NameKey> {
    connection.execute("INSERT INTO meta VALUES ('name_key', randomblob(32)) ON CONFLICT DO NOTHING", [])?;
    let key = "SELECT value FROM meta WHERE key = 'name_key'";
    Ok(NameKey::new(connection.query_row(key, [], |row| row.get(0))?))
}

pub(super) fn cursors(connection: &Connection) -> Result<Vec<Cursor>> {
    let mut select = connection.prepare("SELECT publisher, epoch, seq FROM cursors ORDER BY publisher")?;
    let mut rows = select.query([])?;
    let mut cursors = Vec::new();
    while let Some(row) = rows.next()? {
        let publisher = PublisherId::new(row.get::<_, String>(0)?).map_err(|error| Failure::Corrupt(error.into()))?;
        cursors.push(Cursor { last: Place { publisher, epoch: row.get(1)?, seq: row.get(2)? } });
    }
    Ok(cursors)
}

pub(super) fn admit(connection: &Connection, batch: &[Message], now: Timestamp) -> Result<Vec<Admission>> {
    let mut advance = connection.prepare_cached(
        "INSERT INTO cursors VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET epoch = ?2, seq = ?3 WHERE (epoch, seq) < (?2, ?3)",
    )?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO builds (id, account, project, admitted_at, open, record) VALUES (?1, ?2, ?3, ?4, 1, '')
         ON CONFLICT DO NOTHING",
    )?;
    let mut admissions = Vec::with_capacity(batch.len());
    for Message { place, build } in batch {
        advance.execute(params![place.publisher.as_str(), place.epoch, place.seq])?;
        let (account, project) = (build.account.as_str(), build.project.as_str());
        if insert.execute(params![build.id.to_string(), account, project, now.as_millis()])? == 0 {
            admissions.push(Admission::Duplicate);
            continue;
        }
        let rank = Rank(connection.last_insert_rowid().unsigned_abs());
        save(connection, &BuildRecord::admitted(build.clone(), place.clone(), rank, now))?;
        admissions.push(Admission::Admitted { rank });
    }
    Ok(admissions)
}

/// Applies a batch: every record once, however many of its changes are in it.
pub(super) fn apply(connection: &Connection, batch: &Batch) -> Result<()> {
    let mut keep = connection.prepare_cached("INSERT INTO changes VALUES (?1, ?2, ?3, ?4)")?;
    let mut route = connection.prepare_cached("INSERT INTO routes VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    let mut changed: BTreeMap<BuildKey, BuildRecord> = BTreeMap::new();
    for (position, change) in batch.changes.iter().enumerate() {
        let key = change.build();
        if !changed.contains_key(key) {
            let record = build(connection, key)?.ok_or_else(|| unknown(key))?;
            changed.insert(key.clone(), record);
        }
        if let Some(record) = changed.get_mut(key) {
            record.apply(change).map_err(|illegal| Failure::Refused(illegal.into()))?;
            if let Change::Planned { route: planned, .. } = change {
                route.execute(params![planned.executor.as_str(), record.rank.0])?;
            }
        }
        keep.execute(params![batch.epoch.0, batch.number, position, serde_json::to_string(change)?])?;
    }
    changed.values().try_for_each(|record| save(connection, record))
}

/// Writes a record over its row.
pub(super) fn save(connection: &Connection, record: &BuildRecord) -> Result<()> {
    let open = !matches!(record.state, BuildState::Ended { .. });
    let mut update = connection.prepare_cached("UPDATE builds SET record = ?2, open = ?3 WHERE rank = ?1")?;
    update.execute(params![record.rank.0, serde_json::to_string(record)?, open])?;
    Ok(())
}

pub(super) fn build(connection: &Connection, key: &BuildKey) -> Result<Option<BuildRecord>> {
    let mut select =
        connection.prepare_cached("SELECT record FROM builds WHERE id = ?1 AND account = ?2 AND project = ?3")?;
    let key = params![key.build.to_string(), key.account.as_str(), key.project.as_str()];
    let json = select.query_row(key, |row| row.get::<_, String>(0)).optional()?;
    json.map(|json| Ok(serde_json::from_str(&json)?)).transpose()
}

pub(super) fn open_builds(connection: &Connection, after: Rank, max: usize) -> Result<Vec<BuildRecord>> {
    let mut select =
        connection.prepare_cached("SELECT record FROM builds WHERE open = 1 AND rank > ?1 ORDER BY rank LIMIT ?2")?;
    let mut rows = select.query(params![number(after.0), number(max as u64)])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(record(row)?);
    }
    Ok(records)
}

pub(super) fn builds(connection: &Connection, query: &BuildQuery) -> Result<Vec<BuildRecord>> {
    let mut select = connection.prepare_cached(
        "SELECT record FROM builds WHERE rank > ?1 AND (?2 IS NULL OR account = ?2)
         AND (?3 IS NULL OR EXISTS (SELECT 1 FROM routes WHERE executor = ?3 AND routes.rank = builds.rank))
         AND admitted_at >= ?4 AND admitted_at < ?5 ORDER BY rank LIMIT ?6",
    )?;
    let mut rows = select.query(params![
        number(query.after.0),
        query.account.as_ref().map(|account| account.as_str()),
        query.executor.as_ref().map(|executor| executor.as_str()),
        number(query.since.as_millis()),
        number(query.until.as_millis()),
        number(query.max as u64),
    ])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(record(row)?);
    }
    Ok(records)
}

pub(super) fn unknown(key: &BuildKey) -> Failure<LedgerError> {
    let problem = IllegalChangeKind::UnknownBuild;
    Failure::Refused(IllegalChange { build: key.clone(), problem }.into())
}

fn record(row: &Row<'_>) -> Result<BuildRecord> {
    Ok(serde_json::from_str(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?)
}

/// SQLite's numbers end at 2^63; a bound above that is the same as that.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
