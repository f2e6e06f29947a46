//! The rows of the queue: functions of a transaction, a time and their arguments.

use std::time::Duration;

use netbuild_core::model::Timestamp;
use netbuild_core::port::{Delivery, Depth, Message, QueueError, Receipt};
use rusqlite::{Connection, OptionalExtension, Rows, params};

use super::error::Stop;
use super::value::{count, from_json, millis, millis_after, time, to_json, uint};

type Answer<T> = Result<T, Stop<QueueError>>;

/// How many old ids a publish forgets at most, beyond twice the size of its batch.
const FORGOTTEN: usize = 10;

/// A message as its row keeps it. Made where it is published, so that the store's thread only writes it.
pub(super) struct Row {
    build: [u8; 16],
    message: String,
}

impl From<&Message> for Row {
    fn from(message: &Message) -> Self {
        Row { build: *message.build.id.as_uuid().as_bytes(), message: to_json(message) }
    }
}

/// Stores a batch, known ids left out. An error leaves rows behind, which the caller takes back.
pub(super) fn publish(
    connection: &Connection,
    batch: &[Row],
    window: Duration,
    limit: u64,
    now: Timestamp,
) -> Answer<()> {
    let fresh = insert(connection, batch, window, now)?;
    if fresh > 0 && front::<QueueError>(connection)?.stored > limit {
        return Err(Stop::Refused(QueueError::Full { limit }));
    }
    Ok(())
}

/// How many messages still fit.
pub(super) fn room<E>(connection: &Connection, limit: u64) -> Result<u64, Stop<E>> {
    Ok(limit.saturating_sub(front::<E>(connection)?.stored))
}

/// How much is stored, and how far it was handed out.
struct Front {
    stored: u64,
    handed: i64,
}

fn front<E>(connection: &Connection) -> Result<Front, Stop<E>> {
    let mut select = connection.prepare_cached("SELECT stored, handed FROM queue_front")?;
    Ok(select.query_row([], |row| Ok(Front { stored: uint(row.get(0)?), handed: row.get(1)? }))?)
}

/// Stores messages whose ids are not known; answers how many that were.
pub(super) fn insert<E>(
    connection: &Connection,
    batch: &[Row],
    window: Duration,
    now: Timestamp,
) -> Result<usize, Stop<E>> {
    let mut insert = connection.prepare_cached("INSERT INTO queue_message (published_at, message) VALUES (?1, ?2)")?;
    let mut fresh = 0;
    for row in batch {
        if window.is_zero() || see(connection, row, window, now)? {
            fresh += insert.execute(params![millis(now), row.message])?;
        }
    }
    connection.prepare_cached("UPDATE queue_front SET stored = stored + ?1")?.execute([count(fresh)])?;
    let delete = "DELETE FROM queue_seen WHERE build_id IN
                  (SELECT build_id FROM queue_seen WHERE published_at <= ?1 ORDER BY published_at LIMIT ?2)";
    let steps = count(FORGOTTEN.saturating_add(2 * batch.len()));
    connection.prepare_cached(delete)?.execute(params![millis(now - window), steps])?;
    Ok(fresh)
}

/// Remembers an id; whether it was not known within the window.
fn see(connection: &Connection, row: &Row, window: Duration, now: Timestamp) -> rusqlite::Result<bool> {
    let insert = "INSERT INTO queue_seen VALUES (?1, ?2) ON CONFLICT (build_id)
                  DO UPDATE SET published_at = excluded.published_at WHERE queue_seen.published_at <= ?3";
    let written = connection.prepare_cached(insert)?.execute(params![row.build, millis(now), millis(now - window)])?;
    Ok(written == 1)
}

/// Whether there is something to hand out.
pub(super) fn has_visible(connection: &Connection, now: Timestamp) -> Answer<bool> {
    let select = "SELECT EXISTS (SELECT 1 FROM queue_message WHERE id > (SELECT handed FROM queue_front))
                  OR EXISTS (SELECT 1 FROM queue_handed WHERE visible_at <= ?1)";
    Ok(connection.prepare_cached(select)?.query_row([millis(now)], |row| row.get(0))?)
}

/// Hands out at most `max` messages, those published first before the others.
pub(super) fn take(
    connection: &Connection,
    max: usize,
    redelivery_after: Duration,
    now: Timestamp,
) -> Answer<Vec<Delivery>> {
    let visible_at = millis_after(now, redelivery_after);
    // Those that are due again were published before those that were never handed out.
    let mut deliveries = take_again(connection, max, visible_at, now)?;
    let left = max - deliveries.len();
    deliveries.extend(take_first(connection, left, visible_at)?);
    Ok(deliveries)
}

/// Hands out what was handed out before and is due again.
fn take_again(connection: &Connection, max: usize, visible_at: i64, now: Timestamp) -> Answer<Vec<Delivery>> {
    let select = "SELECT id, deliveries + 1, message FROM queue_handed JOIN queue_message USING (id)
                  WHERE visible_at <= ?1 ORDER BY id LIMIT ?2";
    let taken = deliveries(connection.prepare_cached(select)?.query(params![millis(now), count(max)])?)?;
    let update = "UPDATE queue_handed SET visible_at = ?2, held = 1, deliveries = deliveries + 1 WHERE id = ?1";
    let mut update = connection.prepare_cached(update)?;
    for (id, _) in &taken {
        update.execute(params![id, visible_at])?;
    }
    Ok(taken.into_iter().map(|(_, delivery)| delivery).collect())
}

/// Hands out what was never handed out.
fn take_first(connection: &Connection, max: usize, visible_at: i64) -> Answer<Vec<Delivery>> {
    let handed = front::<QueueError>(connection)?.handed;
    let select = "SELECT id, 1, message FROM queue_message WHERE id > ?1 ORDER BY id LIMIT ?2";
    let taken = deliveries(connection.prepare_cached(select)?.query(params![handed, count(max)])?)?;
    let Some((last, _)) = taken.last() else { return Ok(Vec::new()) };
    connection.prepare_cached("UPDATE queue_front SET handed = ?1")?.execute([last])?;
    let mut insert = connection.prepare_cached("INSERT INTO queue_handed VALUES (?1, ?2, 1, 1)")?;
    for (id, _) in &taken {
        insert.execute(params![id, visible_at])?;
    }
    Ok(taken.into_iter().map(|(_, delivery)| delivery).collect())
}

/// Reads ids, delivery numbers and messages.
fn deliveries(mut rows: Rows<'_>) -> Answer<Vec<(i64, Delivery)>> {
    let mut deliveries = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, times): (i64, u32) = (row.get(0)?, row.get(1)?);
        let message = from_json("queue_message.message", row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?)?;
        deliveries.push((id, Delivery { message, receipt: receipt(id, times), deliveries: times }));
    }
    Ok(deliveries)
}

/// Forgets the messages of good receipts.
pub(super) fn ack(connection: &Connection, receipts: &[Receipt]) -> Answer<()> {
    let release = "DELETE FROM queue_handed WHERE id = ?1 AND deliveries = ?2 AND held = 1";
    let mut release = connection.prepare_cached(release)?;
    let mut delete = connection.prepare_cached("DELETE FROM queue_message WHERE id = ?1")?;
    let mut acked = 0;
    for (id, times) in receipts.iter().filter_map(parse) {
        if release.execute(params![id, times])? == 1 {
            acked += delete.execute([id])?;
        }
    }
    connection.prepare_cached("UPDATE queue_front SET stored = stored - ?1")?.execute([count(acked)])?;
    Ok(())
}

/// Gives the messages of good receipts back.
pub(super) fn nack(connection: &Connection, receipts: &[Receipt], after: Duration, now: Timestamp) -> Answer<()> {
    let update = "UPDATE queue_handed SET held = 0, visible_at = ?3 WHERE id = ?1 AND deliveries = ?2 AND held = 1";
    let mut update = connection.prepare_cached(update)?;
    for (id, times) in receipts.iter().filter_map(parse) {
        update.execute(params![id, times, millis_after(now, after)])?;
    }
    Ok(())
}

/// What waits.
pub(super) fn depth(connection: &Connection, now: Timestamp) -> Answer<Depth> {
    let select = "SELECT count(*) FROM queue_handed WHERE visible_at > ?1 AND held = 1";
    let unacked = uint(connection.prepare_cached(select)?.query_row([millis(now)], |row| row.get(0))?);
    let select = "SELECT published_at FROM queue_message ORDER BY id LIMIT 1";
    let oldest = connection.prepare_cached(select)?.query_row([], |row| row.get(0)).optional()?;
    let ready = front::<QueueError>(connection)?.stored.saturating_sub(unacked);
    Ok(Depth { ready, unacked, oldest: oldest.map(time) })
}

fn receipt(id: i64, deliveries: u32) -> Receipt {
    Receipt(format!("{id}.{deliveries}"))
}

/// The row and delivery number of a receipt; `None` for one that no queue like this gave.
fn parse(receipt: &Receipt) -> Option<(i64, u32)> {
    let (id, deliveries) = receipt.0.split_once('.')?;
    Some((id.parse().ok()?, deliveries.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_receipts_of_its_own_are_read() {
        assert_eq!(parse(&receipt(7, 3)), Some((7, 3)));
        for other in ["", "7", "7.", ".3", "7.3.1", "seven.3", "99999999999999999999.1"] {
            assert_eq!(parse(&Receipt(other.to_owned())), None, "{other:?}");
        }
    }
}
