//! The queue's statements: each function runs inside a transaction that somebody else began.

use netbuild_core::model::Timestamp;
use netbuild_core::port::{Delivery, Depth, Message, QueueError, Receipt};
use rusqlite::{Connection, params};

use super::error::Failure;
use super::options::SqliteOptions;

type Result<T> = std::result::Result<T, Failure<QueueError>>;

/// Old ids removed in one step, so that no publish is slow.
const PRUNE: usize = 512;

/// Stores a batch; refused with the bound when it would be passed.
pub(super) fn publish(
    connection: &Connection,
    batch: &[Message],
    options: &SqliteOptions,
    now: Timestamp,
) -> std::result::Result<(), Failure<u64>> {
    let forgotten = (now - options.dedupe_window).as_millis();
    let prune = "DELETE FROM queue_ids WHERE message_id IN
        (SELECT message_id FROM queue_ids WHERE published_at < ?1 LIMIT ?2)";
    connection.prepare_cached(prune)?.execute(params![forgotten, PRUNE])?;
    let mut known = connection.prepare_cached(
        "INSERT INTO queue_ids VALUES (?1, ?2) ON CONFLICT DO UPDATE SET published_at = ?2 WHERE published_at < ?3",
    )?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO queue (message, published_at, visible_at, deliveries, unacked) VALUES (?1, ?2, ?2, 0, 0)",
    )?;
    let mut stored = 0;
    for message in batch {
        if known.execute(params![message.build.id.to_string(), now.as_millis(), forgotten])? > 0 {
            insert.execute(params![serde_json::to_string(message)?, now.as_millis()])?;
            stored += 1;
        }
    }
    let size: u64 = resize(connection, stored)?;
    if stored > 0 && size > options.queue_limit {
        return Err(Failure::Refused(options.queue_limit));
    }
    Ok(())
}

/// Counts messages in and out, because the bound is asked at every publish; answers how many there are.
fn resize(connection: &Connection, by: i64) -> rusqlite::Result<u64> {
    let count = "UPDATE queue_size SET messages = messages + ?1 RETURNING messages";
    connection.prepare_cached(count)?.query_row([by], |row| row.get(0))
}

/// Hands out what is visible, oldest first, and hides it until a time.
pub(super) fn receive(
    connection: &Connection,
    max: usize,
    hidden_until: Timestamp,
    now: Timestamp,
) -> Result<Vec<Delivery>> {
    let mut select = connection
        .prepare_cached("SELECT id, message, deliveries FROM queue WHERE visible_at <= ?1 ORDER BY id LIMIT ?2")?;
    let mut hide =
        connection.prepare_cached("UPDATE queue SET visible_at = ?2, deliveries = ?3, unacked = 1 WHERE id = ?1")?;
    let mut found = select.query(params![now.as_millis(), i64::try_from(max).unwrap_or(i64::MAX)])?;
    let mut deliveries = Vec::new();
    while let Some(row) = found.next()? {
        let (id, before): (i64, u32) = (row.get(0)?, row.get(2)?);
        let message = serde_json::from_str(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?;
        let count = before.saturating_add(1);
        deliveries.push((id, Delivery { message, receipt: Receipt(format!("{id}.{count}")), deliveries: count }));
    }
    for (id, delivery) in &deliveries {
        hide.execute(params![id, hidden_until.as_millis(), delivery.deliveries])?;
    }
    Ok(deliveries.into_iter().map(|(_, delivery)| delivery).collect())
}

pub(super) fn ack(connection: &Connection, receipts: &[Receipt]) -> Result<()> {
    let mut delete =
        connection.prepare_cached("DELETE FROM queue WHERE id = ?1 AND deliveries = ?2 AND unacked = 1")?;
    let mut deleted = 0;
    for (id, delivery) in receipts.iter().filter_map(parse) {
        deleted += i64::try_from(delete.execute(params![id, delivery])?).unwrap_or(i64::MAX);
    }
    resize(connection, -deleted)?;
    Ok(())
}

pub(super) fn nack(connection: &Connection, receipts: &[Receipt], visible_at: Timestamp) -> Result<()> {
    let mut give_back = connection.prepare_cached(
        "UPDATE queue SET visible_at = ?3, unacked = 0 WHERE id = ?1 AND deliveries = ?2 AND unacked = 1",
    )?;
    for (id, delivery) in receipts.iter().filter_map(parse) {
        give_back.execute(params![id, delivery, visible_at.as_millis()])?;
    }
    Ok(())
}

pub(super) fn depth(connection: &Connection, now: Timestamp) -> Result<Depth> {
    // A delivery whose time is over is ready again, although nobody has asked yet.
    let counts = "SELECT count(*), coalesce(sum(unacked = 1 AND visible_at > ?1), 0), min(published_at) FROM queue";
    Ok(connection.query_row(counts, [now.as_millis()], |row| {
        let (all, unacked): (u64, u64) = (row.get(0)?, row.get(1)?);
        let oldest: Option<u64> = row.get(2)?;
        Ok(Depth { ready: all - unacked, unacked, oldest: oldest.map(Timestamp::from_millis) })
    })?)
}

/// The row and the delivery number of a receipt. A text that is none is a receipt that is no longer good.
fn parse(receipt: &Receipt) -> Option<(i64, u32)> {
    let (id, delivery) = receipt.0.split_once('.')?;
    Some((id.parse().ok()?, delivery.parse().ok()?))
}
