//! The rows of dead letters: functions of a transaction, a time and their arguments.

use netbuild_core::model::Timestamp;
use netbuild_core::port::{
    DeadBody, DeadLetter, DeadLetterId, DeadReason, Message, QueueError, Receipt, bounded_reason,
};
use rusqlite::{Connection, params};

use super::error::{Fault, Stop};
use super::queue_rows::good;
use super::value::{count, millis, time, uint};
use crate::dead_reason::{columns, reason};

type Answer<T> = Result<T, Stop<QueueError>>;

/// Moves a message out of the queue. Its hand-out, if there was one, is forgotten.
pub(super) fn bury(
    connection: &Connection,
    id: i64,
    deliveries: u32,
    reason: &DeadReason,
    now: Timestamp,
) -> Answer<()> {
    let (kind, text) = columns(reason);
    let insert = "INSERT INTO queue_dead (body, kind, reason, deliveries, died_at)
                  SELECT CAST(message AS BLOB), ?2, ?3, ?4, ?5 FROM queue_message WHERE id = ?1";
    connection.prepare_cached(insert)?.execute(params![id, kind, text, deliveries, millis(now)])?;
    connection.prepare_cached("DELETE FROM queue_handed WHERE id = ?1")?.execute([id])?;
    let deleted = connection.prepare_cached("DELETE FROM queue_message WHERE id = ?1")?.execute([id])?;
    connection.prepare_cached("UPDATE queue_front SET stored = stored - ?1")?.execute([count(deleted)])?;
    Ok(())
}

/// Buries the messages of good receipts.
pub(super) fn bury_receipts(connection: &Connection, receipts: &[Receipt], reason: &str, now: Timestamp) -> Answer<()> {
    let reason = DeadReason::Buried(bounded_reason(reason).to_owned());
    for receipt in receipts {
        if let Some((id, deliveries)) = good(connection, receipt)? {
            bury(connection, id, deliveries, &reason, now)?;
        }
    }
    Ok(())
}

/// Dead letters, oldest first.
pub(super) fn list(connection: &Connection, max: usize) -> Answer<Vec<DeadLetter>> {
    let select = "SELECT id, body, kind, reason, deliveries, died_at FROM queue_dead ORDER BY id LIMIT ?1";
    let mut select = connection.prepare_cached(select)?;
    let mut rows = select.query([count(max)])?;
    let mut letters = Vec::new();
    while let Some(row) = rows.next()? {
        let body: Vec<u8> = row.get(1)?;
        let kind: String = row.get(2)?;
        let reason = reason(&kind, row.get(3)?).ok_or_else(|| Fault::unreadable("an unknown queue_dead.kind"))?;
        let body = match Message::from_wire(&body) {
            Ok(message) => DeadBody::Message(Box::new(message)),
            Err(_) => DeadBody::Unreadable(body),
        };
        let id = DeadLetterId(row.get::<_, i64>(0)?.to_string());
        letters.push(DeadLetter { id, body, reason, deliveries: row.get(4)?, died_at: Some(time(row.get(5)?)) });
    }
    Ok(letters)
}

/// Puts dead letters at the end of the queue. They were accepted once, so neither its bound nor its memory of ids counts.
pub(super) fn redrive(connection: &Connection, ids: &[DeadLetterId], now: Timestamp) -> Answer<u64> {
    let insert = "INSERT INTO queue_message (published_at, message)
                  SELECT ?2, CAST(body AS TEXT) FROM queue_dead WHERE id = ?1";
    let mut insert = connection.prepare_cached(insert)?;
    let mut moved = 0;
    for id in ids.iter().filter_map(parse) {
        moved += insert.execute(params![id, millis(now)])?;
        connection.prepare_cached("DELETE FROM queue_dead WHERE id = ?1")?.execute([id])?;
    }
    connection.prepare_cached("UPDATE queue_front SET stored = stored + ?1")?.execute([count(moved)])?;
    Ok(moved as u64)
}

/// Forgets dead letters.
pub(super) fn discard(connection: &Connection, ids: &[DeadLetterId]) -> Answer<u64> {
    let mut delete = connection.prepare_cached("DELETE FROM queue_dead WHERE id = ?1")?;
    let mut discarded = 0;
    for id in ids.iter().filter_map(parse) {
        discarded += delete.execute([id])?;
    }
    Ok(discarded as u64)
}

/// How many there are.
pub(super) fn dead(connection: &Connection) -> Answer<u64> {
    let select = "SELECT count(*) FROM queue_dead";
    Ok(uint(connection.prepare_cached(select)?.query_row([], |row| row.get(0))?))
}

fn parse(id: &DeadLetterId) -> Option<i64> {
    id.0.parse().ok()
}
