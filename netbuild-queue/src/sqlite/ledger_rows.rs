//! The rows of the ledger that its leader writes: admitted builds and their changes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use netbuild_core::model::{
    BuildKey, BuildRecord, Change, IllegalChange, IllegalChangeKind, LeaderEpoch, NameKey, Place, Rank, Timestamp,
};
use netbuild_core::port::{Admission, Batch, Cursor, LedgerError, Message};
use rusqlite::{Connection, OptionalExtension, params};

use super::error::{Fault, Stop};
use super::value::{count, from_text, int, millis, state, to_json, uint};
use super::{history_rows, lease_rows};

type Answer<T> = Result<T, Stop<LedgerError>>;

/// The key of the name hash, made of SQLite's random source, which the operating system seeds.
pub(super) fn name_key(connection: &Connection) -> Answer<NameKey> {
    connection.prepare_cached("INSERT OR IGNORE INTO ledger_name_key VALUES (1, randomblob(32))")?.execute([])?;
    let mut select = connection.prepare_cached("SELECT bytes FROM ledger_name_key")?;
    let bytes: Vec<u8> = select.query_row([], |row| row.get(0))?;
    let bytes = bytes.try_into().map_err(|_| Fault::unreadable("the name key does not have 32 bytes"))?;
    Ok(NameKey::new(bytes))
}

/// How far each publisher's order was admitted.
pub(super) fn cursors(connection: &Connection) -> Answer<Vec<Cursor>> {
    let mut select = connection.prepare_cached("SELECT publisher, epoch, seq FROM ledger_cursor ORDER BY publisher")?;
    let mut rows = select.query([])?;
    let mut cursors = Vec::new();
    while let Some(row) = rows.next()? {
        let publisher = from_text("ledger_cursor.publisher", &row.get::<_, String>(0)?)?;
        cursors.push(Cursor { last: Place { publisher, epoch: uint(row.get(1)?), seq: uint(row.get(2)?) } });
    }
    Ok(cursors)
}

/// Takes messages in.
pub(super) fn admit(
    connection: &Connection,
    epoch: LeaderEpoch,
    batch: &[Message],
    now: Timestamp,
) -> Answer<Vec<Admission>> {
    lease_rows::fenced(connection, epoch)?;
    batch.iter().map(|message| admit_one(connection, message, now)).collect()
}

fn admit_one(connection: &Connection, message: &Message, now: Timestamp) -> Answer<Admission> {
    let Message { place, build } = message;
    let advance = "INSERT INTO ledger_cursor VALUES (?1, ?2, ?3) ON CONFLICT (publisher)
                   DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq
                   WHERE (ledger_cursor.epoch, ledger_cursor.seq) < (excluded.epoch, excluded.seq)";
    let cursor = params![place.publisher.as_str(), int(place.epoch), int(place.seq)];
    connection.prepare_cached(advance)?.execute(cursor)?;
    let id = build.id.to_string();
    let known = connection
        .prepare_cached("SELECT 1 FROM ledger_build WHERE build_id = ?1")?
        .query_row([&id], |_| Ok(()))
        .optional()?;
    if known.is_some() {
        return Ok(Admission::Duplicate);
    }
    let next = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'ledger_build'), 0) + 1";
    let rank = Rank(uint(connection.prepare_cached(next)?.query_row([], |row| row.get(0))?));
    let record = BuildRecord::admitted(build.clone(), place.clone(), rank, now);
    let insert = "INSERT INTO ledger_build VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    connection.prepare_cached(insert)?.execute(params![
        int(rank.0),
        id,
        build.account.as_str(),
        build.project.as_str(),
        to_json(&build.context),
        millis(now),
        state(&record.state),
        to_json(&record),
    ])?;
    Ok(Admission::Admitted { rank })
}

/// Writes a batch of changes, once. An error leaves rows behind, which the caller takes back.
pub(super) fn append(connection: &Connection, batch: &Batch) -> Answer<()> {
    let last = lease_rows::fenced(connection, batch.epoch)?.last_batch;
    if batch.number == last && last > 0 {
        return Ok(());
    }
    if batch.number != last + 1 {
        return Err(Stop::Refused(LedgerError::BatchOrder { expected: last + 1, got: batch.number }));
    }
    let mut changed = BTreeMap::new();
    for (position, change) in batch.changes.iter().enumerate() {
        let record = match changed.entry(change.build().clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(load(connection, change.build())?),
        };
        record.apply(change).map_err(|illegal| Stop::Refused(illegal.into()))?;
        keep(connection, batch, position, record.rank, change)?;
    }
    for record in changed.values() {
        save(connection, record)?;
    }
    lease_rows::set_last_batch(connection, batch.number)
}

/// Keeps a change for people, and where a planned attempt went for look-ups.
fn keep(connection: &Connection, batch: &Batch, position: usize, rank: Rank, change: &Change) -> Answer<()> {
    let insert = "INSERT INTO ledger_change VALUES (?1, ?2, ?3, ?4, ?5)";
    let (epoch, number) = (int(batch.epoch.0), int(batch.number));
    let row = params![epoch, number, count(position), int(rank.0), to_json(change)];
    connection.prepare_cached(insert)?.execute(row)?;
    if let Change::Planned { attempt, route, .. } = change {
        let insert = "INSERT INTO ledger_attempt VALUES (?1, ?2, ?3)";
        let row = params![route.executor.as_str(), int(rank.0), attempt.number.get()];
        connection.prepare_cached(insert)?.execute(row)?;
    }
    Ok(())
}

/// A build that must be there.
pub(super) fn load(connection: &Connection, key: &BuildKey) -> Answer<BuildRecord> {
    let unknown = || IllegalChange { build: key.clone(), problem: IllegalChangeKind::UnknownBuild };
    history_rows::build(connection, key)?.ok_or_else(|| Stop::Refused(unknown().into()))
}

/// Writes a build that was changed.
pub(super) fn save(connection: &Connection, record: &BuildRecord) -> Answer<()> {
    let update = "UPDATE ledger_build SET state = ?2, record = ?3 WHERE rank = ?1";
    let row = params![int(record.rank.0), state(&record.state), to_json(record)];
    connection.prepare_cached(update)?.execute(row)?;
    Ok(())
}
