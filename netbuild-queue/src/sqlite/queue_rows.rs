//! The rows of the queue: functions of a transaction, a time and their arguments.

use std::time::Duration;

use netbuild_core::model::Timestamp;
use netbuild_core::port::{Delivery, Depth, Message, QueueError, Receipt};
use rusqlite::{Connection, OptionalExtension, params};

use super::error::Stop;
use super::value::{count, from_json, millis, millis_after, time, to_json, uint};

type Answer<T> = Result<T, Stop<QueueError>>;

/// How many old ids a publish forgets at most, beyond twice the size of its batch.
const FORGOTTEN: usize = 10;

/// Stores a batch, known ids left out. An error leaves rows behind, which the caller takes back.
pub(super) fn publish(
    connection: &Connection,
    batch: &[Message],
    window: Duration,
    limit: u64,
    now: Timestamp,
) -> Answer<()> {
    let fresh = insert(connection, batch, window, now)?;
    if fresh > 0 && stored::<QueueError>(connection)? > limit {
        return Err(Stop::Refused(QueueError::Full { limit }));
    }
    Ok(())
}

/// How many messages still fit.
pub(super) fn room<E>(connection: &Connection, limit: u64) -> Result<u64, Stop<E>> {
    Ok(limit.saturating_sub(stored::<E>(connection)?))
}

/// All messages. SQLite counts the pages' entries and reads no message.
fn stored<E>(connection: &Connection) -> Result<u64, Stop<E>> {
    Ok(uint(connection.prepare_cached("SELECT count(*) FROM queue_message")?.query_row([], |row| row.get(0))?))
}

/// Stores messages whose ids are not known; answers how many that were.
pub(super) fn insert<E>(
    connection: &Connection,
    batch: &[Message],
    window: Duration,
    now: Timestamp,
) -> Result<usize, Stop<E>> {
    let mut fresh = 0;
    for message in batch {
        if window.is_zero() || see(connection, message, window, now)? {
            let insert = "INSERT INTO queue_message (published_at, visible_at, handed_out, deliveries, message)
                          VALUES (?1, 0, 0, 0, ?2)";
            fresh += connection.prepare_cached(insert)?.execute(params![millis(now), to_json(message)])?;
        }
    }
    let delete = "DELETE FROM queue_seen WHERE build_id IN
                  (SELECT build_id FROM queue_seen WHERE published_at <= ?1 ORDER BY published_at LIMIT ?2)";
    let steps = count(FORGOTTEN.saturating_add(2 * batch.len()));
    connection.prepare_cached(delete)?.execute(params![millis(now - window), steps])?;
    Ok(fresh)
}

/// Remembers an id; whether it was not known within the window.
fn see(connection: &Connection, message: &Message, window: Duration, now: Timestamp) -> rusqlite::Result<bool> {
    let insert = "INSERT INTO queue_seen VALUES (?1, ?2) ON CONFLICT (build_id)
                  DO UPDATE SET published_at = excluded.published_at WHERE queue_seen.published_at <= ?3";
    let id = message.build.id.to_string();
    Ok(connection.prepare_cached(insert)?.execute(params![id, millis(now), millis(now - window)])? == 1)
}

/// Whether there is something to hand out.
pub(super) fn has_visible(connection: &Connection, now: Timestamp) -> Answer<bool> {
    let select = "SELECT EXISTS (SELECT 1 FROM queue_message WHERE visible_at <= ?1)";
    Ok(connection.prepare_cached(select)?.query_row([millis(now)], |row| row.get(0))?)
}

/// Hands out at most `max` messages, those published first before the others.
pub(super) fn take(
    connection: &Connection,
    max: usize,
    redelivery_after: Duration,
    now: Timestamp,
) -> Answer<Vec<Delivery>> {
    // NOT INDEXED walks by id and stops at the limit; by the index all visible messages would be sorted first.
    let update = "UPDATE queue_message SET visible_at = ?1, handed_out = 1, deliveries = deliveries + 1 WHERE id IN
                  (SELECT id FROM queue_message NOT INDEXED WHERE visible_at <= ?2 ORDER BY id LIMIT ?3)
                  RETURNING id, deliveries, message";
    let mut update = connection.prepare_cached(update)?;
    let mut rows = update.query(params![millis_after(now, redelivery_after), millis(now), count(max)])?;
    let mut deliveries = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, times): (i64, u32) = (row.get(0)?, row.get(1)?);
        let message = from_json("queue_message.message", row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?)?;
        deliveries.push((id, Delivery { message, receipt: receipt(id, times), deliveries: times }));
    }
    // RETURNING promises no order.
    deliveries.sort_unstable_by_key(|(id, _)| *id);
    Ok(deliveries.into_iter().map(|(_, delivery)| delivery).collect())
}

/// Forgets the messages of good receipts.
pub(super) fn ack(connection: &Connection, receipts: &[Receipt]) -> Answer<()> {
    let mut delete =
        connection.prepare_cached("DELETE FROM queue_message WHERE id = ?1 AND deliveries = ?2 AND handed_out = 1")?;
    for (id, times) in receipts.iter().filter_map(parse) {
        delete.execute(params![id, times])?;
    }
    Ok(())
}

/// Gives the messages of good receipts back.
pub(super) fn nack(connection: &Connection, receipts: &[Receipt], after: Duration, now: Timestamp) -> Answer<()> {
    let update = "UPDATE queue_message SET handed_out = 0, visible_at = ?3
                  WHERE id = ?1 AND deliveries = ?2 AND handed_out = 1";
    let mut update = connection.prepare_cached(update)?;
    for (id, times) in receipts.iter().filter_map(parse) {
        update.execute(params![id, times, millis_after(now, after)])?;
    }
    Ok(())
}

/// What waits.
pub(super) fn depth(connection: &Connection, now: Timestamp) -> Answer<Depth> {
    let select = "SELECT count(*) FROM queue_message WHERE visible_at > ?1 AND handed_out = 1";
    let unacked = uint(connection.prepare_cached(select)?.query_row([millis(now)], |row| row.get(0))?);
    let select = "SELECT published_at FROM queue_message ORDER BY id LIMIT 1";
    let oldest = connection.prepare_cached(select)?.query_row([], |row| row.get(0)).optional()?;
    let ready = stored::<QueueError>(connection)?.saturating_sub(unacked);
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
