//! The outbox's statements: each function runs inside a transaction that somebody else began.

use netbuild_core::model::{Build, BuildId, PublisherId, Timestamp};
use netbuild_core::port::{Backlog, Event, MAX_EVENT_KEY_BYTES, Message, OutboxError, Recorded};
use rusqlite::{Connection, OptionalExtension, params};

use super::error::Failure;
use super::options::SqliteOptions;
use super::outbox::Rows;

type Result<T> = std::result::Result<T, Failure<OutboxError>>;

/// Old keys removed in one step, so that no publish is slow.
const PRUNE: usize = 512;

/// The publisher's epoch: the time of its first use of this file, so that a new file comes after a lost one.
pub(super) fn epoch(connection: &Connection, publisher: &PublisherId, now: Timestamp) -> Result<u64> {
    let made = "INSERT INTO publishers VALUES (?1, ?2, 0, 0) ON CONFLICT DO NOTHING";
    connection.execute(made, params![publisher.as_str(), now.as_millis()])?;
    let epoch = "SELECT epoch FROM publishers WHERE publisher = ?1";
    Ok(connection.query_row(epoch, [publisher.as_str()], |row| row.get(0))?)
}

pub(super) fn record(
    connection: &Connection,
    rows: &Rows,
    batch: &[Event],
    options: &SqliteOptions,
    now: Timestamp,
) -> Result<Vec<Recorded>> {
    let publisher = rows.publisher.as_str();
    let last = "SELECT last_seq, pending FROM publishers WHERE publisher = ?1";
    let (mut seq, mut pending): (u64, u64) =
        connection.query_row(last, [publisher], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO outbox (publisher, seq, account, event_key, build_id, recorded_at, build)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let mut recorded = Vec::with_capacity(batch.len());
    for event in batch {
        if event.key.0.is_empty() || event.key.0.len() > MAX_EVENT_KEY_BYTES {
            return Err(Failure::Refused(OutboxError::InvalidKey));
        }
        if let Some(earlier) = known(connection, rows, event)? {
            recorded.push(earlier);
            continue;
        }
        let build = &event.build;
        if taken(connection, build.id)? {
            return Err(Failure::Refused(OutboxError::BuildIdTaken(build.id)));
        }
        seq += 1;
        pending += 1;
        if pending > options.outbox_limit {
            return Err(Failure::Refused(OutboxError::Full { limit: options.outbox_limit }));
        }
        let (id, json) = (build.id.to_string(), serde_json::to_string(build)?);
        insert.execute(params![publisher, seq, build.account.as_str(), event.key.0, id, now.as_millis(), json])?;
        recorded.push(Recorded { place: rows.place(seq), build: build.id, fresh: true });
    }
    let count = "UPDATE publishers SET last_seq = ?2, pending = ?3 WHERE publisher = ?1";
    connection.prepare_cached(count)?.execute(params![publisher, seq, pending])?;
    Ok(recorded)
}

/// The first record of an event that is repeated. It may be another publisher's: a host redelivers to any of them.
fn known(connection: &Connection, rows: &Rows, event: &Event) -> Result<Option<Recorded>> {
    let mut select = connection.prepare_cached(
        "SELECT publisher, epoch, seq, build_id FROM outbox JOIN publishers USING (publisher)
         WHERE account = ?1 AND event_key = ?2",
    )?;
    let found = select
        .query_row(params![event.build.account.as_str(), event.key.0], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get::<_, String>(3)?))
        })
        .optional()?;
    let Some((publisher, epoch, seq, build)) = found else { return Ok(None) };
    let mut place = rows.place(seq);
    place.publisher = PublisherId::new(publisher).map_err(|error| Failure::Corrupt(error.into()))?;
    place.epoch = epoch;
    let build: BuildId =
        build.parse().map_err(|error: <BuildId as std::str::FromStr>::Err| Failure::Corrupt(error.into()))?;
    Ok(Some(Recorded { place, build, fresh: false }))
}

fn taken(connection: &Connection, id: BuildId) -> Result<bool> {
    let mut select = connection.prepare_cached("SELECT 1 FROM outbox WHERE build_id = ?1")?;
    Ok(select.exists([id.to_string()])?)
}

pub(super) fn pending(connection: &Connection, rows: &Rows, after: u64, max: usize) -> Result<Vec<Message>> {
    let mut select = connection.prepare_cached(
        "SELECT seq, build FROM outbox WHERE publisher = ?1 AND seq > ?2 AND build IS NOT NULL ORDER BY seq LIMIT ?3",
    )?;
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let mut found = select.query(params![rows.publisher.as_str(), after, max])?;
    let mut messages = Vec::new();
    while let Some(row) = found.next()? {
        let build: Build = serde_json::from_str(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?;
        messages.push(Message { place: rows.place(row.get(0)?), build });
    }
    Ok(messages)
}

pub(super) fn published(
    connection: &Connection,
    rows: &Rows,
    seq: u64,
    options: &SqliteOptions,
    now: Timestamp,
) -> Result<()> {
    let seq = i64::try_from(seq).unwrap_or(i64::MAX);
    let free = "UPDATE outbox SET build = NULL WHERE publisher = ?1 AND seq <= ?2 AND build IS NOT NULL";
    let freed = connection.prepare_cached(free)?.execute(params![rows.publisher.as_str(), seq])?;
    let count = "UPDATE publishers SET pending = pending - ?2 WHERE publisher = ?1";
    connection.prepare_cached(count)?.execute(params![rows.publisher.as_str(), freed])?;
    let prune = "DELETE FROM outbox WHERE rowid IN
        (SELECT rowid FROM outbox WHERE build IS NULL AND recorded_at < ?1 LIMIT ?2)";
    connection.prepare_cached(prune)?.execute(params![(now - options.event_key_age).as_millis(), PRUNE])?;
    Ok(())
}

pub(super) fn backlog(connection: &Connection, rows: &Rows) -> Result<Backlog> {
    let mut select = connection.prepare_cached(
        "SELECT pending, (SELECT recorded_at FROM outbox WHERE publisher = ?1 AND build IS NOT NULL ORDER BY seq LIMIT 1)
         FROM publishers WHERE publisher = ?1",
    )?;
    Ok(select.query_row([rows.publisher.as_str()], |row| {
        let oldest: Option<u64> = row.get(1)?;
        Ok(Backlog { count: row.get(0)?, oldest: oldest.map(Timestamp::from_millis) })
    })?)
}
