//! The rows of the queue: functions of a transaction, a time and their arguments.

use std::time::Duration;

use netbuild_core::model::Timestamp;
use netbuild_core::port::{DeadReason, Delivery, Depth, Message, QueueError, Receipt, UnreadableMessage};
use rusqlite::{Connection, OptionalExtension, Rows, params};

use super::dead_rows;
use super::error::Stop;
use super::value::{count, millis, time, uint};

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
        Row { build: *message.build.id.as_uuid().as_bytes(), message: message.to_wire() }
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
    if fresh > 0 && stored::<QueueError>(connection)? > limit {
        return Err(Stop::Refused(QueueError::Full { limit }));
    }
    Ok(())
}

/// How many messages still fit.
pub(super) fn room<E>(connection: &Connection, limit: u64) -> Result<u64, Stop<E>> {
    Ok(limit.saturating_sub(stored::<E>(connection)?))
}

/// How many messages are stored.
fn stored<E>(connection: &Connection) -> Result<u64, Stop<E>> {
    Ok(uint(connection.prepare_cached("SELECT stored FROM queue_front")?.query_row([], |row| row.get(0))?))
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

/// How messages are handed out.
pub(super) struct Take {
    pub(super) redelivery_after: Duration,
    pub(super) max_deliveries: u32,
}

/// A message that was not handed out but buried: its row, and why.
pub(super) type Buried = (i64, DeadReason);

/// What is about to be handed out: its row, how often it was before, and its text.
struct Candidate {
    id: i64,
    handed_out: u32,
    message: Result<Message, UnreadableMessage>,
}

impl Take {
    /// Hands out at most `max` messages, those published first before the others. What is dead is buried on the way.
    pub(super) fn take(
        &self,
        connection: &Connection,
        max: usize,
        now: Timestamp,
    ) -> Answer<(Vec<Delivery>, Vec<Buried>)> {
        let visible_at = millis(now + self.redelivery_after);
        let insert = "INSERT INTO queue_handed VALUES (?1, ?2, 1, ?3)
                      ON CONFLICT (id) DO UPDATE SET visible_at = ?2, held = 1, deliveries = ?3";
        let mut insert = connection.prepare_cached(insert)?;
        let (mut deliveries, mut buried) = (Vec::new(), Vec::new());
        loop {
            let buried_before = buried.len();
            for candidate in candidates(connection, max - deliveries.len(), now)? {
                match self.judge(candidate) {
                    Ok((id, delivery)) => {
                        insert.execute(params![id, visible_at, delivery.deliveries])?;
                        deliveries.push(delivery);
                    }
                    Err((id, handed_out, reason)) => {
                        dead_rows::bury(connection, id, handed_out, &reason, now)?;
                        buried.push((id, reason));
                    }
                }
            }
            // What was buried left its place to others.
            if buried.len() == buried_before {
                return Ok((deliveries, buried));
            }
        }
    }

    fn judge(&self, candidate: Candidate) -> Result<(i64, Delivery), (i64, u32, DeadReason)> {
        let Candidate { id, handed_out, message } = candidate;
        if handed_out >= self.max_deliveries {
            return Err((id, handed_out, DeadReason::TooManyDeliveries));
        }
        let message = message.map_err(|error| (id, handed_out, DeadReason::Unreadable(error.to_string())))?;
        let deliveries = handed_out + 1;
        Ok((id, Delivery { message, receipt: receipt(id, deliveries), deliveries }))
    }
}

/// What is due: first what was handed out before, for it was published before what never was.
fn candidates(connection: &Connection, max: usize, now: Timestamp) -> Answer<Vec<Candidate>> {
    let again = "SELECT id, deliveries, message FROM queue_handed JOIN queue_message USING (id)
                 WHERE visible_at <= ?1 ORDER BY id LIMIT ?2";
    let mut due = read(connection.prepare_cached(again)?.query(params![millis(now), count(max)])?)?;
    if due.len() < max {
        let first = "SELECT id, 0, message FROM queue_message
                     WHERE id > (SELECT handed FROM queue_front) ORDER BY id LIMIT ?1";
        let fresh = read(connection.prepare_cached(first)?.query([count(max - due.len())])?)?;
        if let Some(last) = fresh.last() {
            connection.prepare_cached("UPDATE queue_front SET handed = ?1")?.execute([last.id])?;
        }
        due.extend(fresh);
    }
    Ok(due)
}

fn read(mut rows: Rows<'_>) -> Answer<Vec<Candidate>> {
    let mut candidates = Vec::new();
    while let Some(row) = rows.next()? {
        let bytes = row.get_ref(2)?.as_bytes().map_err(rusqlite::Error::from)?;
        candidates.push(Candidate { id: row.get(0)?, handed_out: row.get(1)?, message: Message::from_wire(bytes) });
    }
    Ok(candidates)
}

/// The row and delivery number of a receipt that is still good.
pub(super) fn good(connection: &Connection, receipt: &Receipt) -> Answer<Option<(i64, u32)>> {
    let Some((id, times)) = parse(receipt) else { return Ok(None) };
    let select = "SELECT id, deliveries FROM queue_handed WHERE id = ?1 AND deliveries = ?2 AND held = 1";
    let row = connection.prepare_cached(select)?.query_row(params![id, times], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(row.optional()?)
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
        update.execute(params![id, times, millis(now + after)])?;
    }
    Ok(())
}

/// What waits.
pub(super) fn depth(connection: &Connection, now: Timestamp) -> Answer<Depth> {
    let select = "SELECT count(*) FROM queue_handed WHERE visible_at > ?1 AND held = 1";
    let unacked = uint(connection.prepare_cached(select)?.query_row([millis(now)], |row| row.get(0))?);
    let select = "SELECT published_at FROM queue_message ORDER BY id LIMIT 1";
    let oldest = connection.prepare_cached(select)?.query_row([], |row| row.get(0)).optional()?;
    let ready = stored::<QueueError>(connection)?.saturating_sub(unacked);
    Ok(Depth { ready, unacked, oldest: oldest.map(time), dead: dead_rows::dead(connection)? })
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
