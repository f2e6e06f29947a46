//! The rows of the queue.

use std::time::Duration;

use netbuild_core::port::{DeadReason, Delivery, Depth, Message, QueueError, Receipt};
use tokio_postgres::Row;
use uuid::Uuid;

use super::error::{Fault, Stop};
use super::handle::Transaction;
use crate::value::{count, time, uint};

/// How many old ids a publish forgets at most, beyond twice the size of its batch.
const FORGOTTEN: usize = 10;

/// Stores a batch, known ids left out.
pub(super) async fn publish(transaction: &mut Transaction<'_>, batch: &[Message]) -> Result<(), Stop<QueueError>> {
    let limit = transaction.options().queue_limit;
    if insert(transaction, batch).await? > limit {
        return Err(Stop::Refused(QueueError::Full { limit }));
    }
    Ok(())
}

/// Stores messages whose ids are not known; answers how many are stored then, if any is new: 0 while it is certain that they
/// are no more than the bound.
pub(super) async fn insert(transaction: &mut Transaction<'_>, batch: &[Message]) -> Result<u64, Fault> {
    let fresh = see(transaction, batch).await?;
    let bodies: Vec<Vec<u8>> = fresh.iter().map(|message| message.to_wire().into_bytes()).collect();
    if bodies.is_empty() {
        return Ok(0);
    }
    let limit = count(usize::try_from(transaction.options().queue_limit).unwrap_or(usize::MAX));
    let (_, rows) = transaction.query_two((INSERT, &[&bodies]), (STORED, &[&limit])).await?;
    Ok(uint(rows[0].get(0)))
}

// Rows get their ids after they are ordered.
const INSERT: &str = "INSERT INTO queue_ready (published_at, body)
    SELECT now_ms(), body FROM unnest($1::bytea[]) WITH ORDINALITY AS batch (body, place) ORDER BY place";

// From the oldest id to the newest there are never more rows than ids: most times the two ends are enough.
const STORED: &str = "SELECT CASE WHEN newest - oldest < $1 THEN 0 ELSE
        (SELECT count(*) FROM (SELECT FROM queue_ready LIMIT $1 + 1) AS ready)
        + (SELECT count(*) FROM (SELECT FROM queue_handed LIMIT $1 + 1) AS handed) END
    FROM (SELECT greatest((SELECT max(id) FROM queue_ready), (SELECT max(id) FROM queue_handed)) AS newest,
                 least((SELECT min(id) FROM queue_ready), (SELECT min(id) FROM queue_handed)) AS oldest) AS ends";

/// How many messages still fit.
pub(super) async fn room(transaction: &mut Transaction<'_>) -> Result<usize, Fault> {
    let limit = transaction.options().queue_limit;
    let stored = "SELECT (SELECT count(*) FROM queue_ready) + (SELECT count(*) FROM queue_handed)";
    let stored: i64 = transaction.query(stored, &[]).await?[0].get(0);
    Ok(usize::try_from(limit.saturating_sub(uint(stored))).unwrap_or(usize::MAX))
}

/// Remembers ids and forgets old ones; gives the messages whose ids were not known within the window.
async fn see<'b>(transaction: &mut Transaction<'_>, batch: &'b [Message]) -> Result<Vec<&'b Message>, Fault> {
    let window = transaction.options().dedupe_window;
    if window.is_zero() {
        return Ok(batch.iter().collect());
    }
    // In one order in every batch, so that no two wait for each other; once each.
    let mut ids: Vec<Uuid> = batch.iter().map(id).collect();
    ids.sort_unstable();
    ids.dedup();
    let forget = count(FORGOTTEN.saturating_add(2 * batch.len()));
    let rows = transaction.query(SEE, &[&ids, &span(window), &forget]).await?;
    let mut fresh: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    fresh.sort_unstable();
    let mut taken = vec![false; fresh.len()];
    let is_first = |message: &&Message| {
        fresh.binary_search(&id(message)).is_ok_and(|place| !std::mem::replace(&mut taken[place], true))
    };
    Ok(batch.iter().filter(is_first).collect())
}

const SEE: &str = "WITH forgotten AS (
        DELETE FROM queue_seen WHERE build_id = ANY (ARRAY(
            SELECT build_id FROM queue_seen WHERE published_at <= now_ms() - $2 AND build_id <> ALL ($1::uuid[])
            ORDER BY published_at LIMIT $3 FOR UPDATE SKIP LOCKED)))
    INSERT INTO queue_seen SELECT id, now_ms() FROM unnest($1::uuid[]) AS batch (id) ON CONFLICT (build_id)
    DO UPDATE SET published_at = excluded.published_at WHERE queue_seen.published_at <= now_ms() - $2
    RETURNING build_id";

fn id(message: &Message) -> Uuid {
    *message.build.id.as_uuid()
}

/// Hands out at most `$1` messages for `$2` milliseconds: first what was handed out before and is due again, for it was
/// published before what never was.
pub(super) const TAKE: &str = "WITH again AS (
        UPDATE queue_handed SET visible_at = now_ms() + $2, held = true, deliveries = deliveries + 1
        WHERE id = ANY (ARRAY(
            SELECT id FROM queue_handed WHERE visible_at <= now_ms() ORDER BY visible_at, id LIMIT $1
            FOR UPDATE SKIP LOCKED))
        RETURNING id, deliveries, body),
    first AS (
        DELETE FROM queue_ready WHERE id = ANY (ARRAY(
            SELECT id FROM queue_ready ORDER BY id LIMIT $1 - (SELECT count(*) FROM again) FOR UPDATE SKIP LOCKED))
        RETURNING id, published_at, body),
    handed AS (
        INSERT INTO queue_handed (id, published_at, visible_at, held, deliveries, body)
        SELECT id, published_at, now_ms() + $2, true, 1, body FROM first)
    SELECT id, deliveries, body FROM again UNION ALL SELECT id, 1, body FROM first ORDER BY id";

/// A message that is not handed out but buried: its row, the number of its delivery, and why.
#[derive(Debug)]
pub(super) struct Dead {
    pub(super) id: i64,
    pub(super) delivery: i32,
    pub(super) reason: DeadReason,
}

/// Tells what [`TAKE`] took and may be handed out from what is dead.
pub(super) fn judge(row: &Row, max_deliveries: u32) -> Result<Delivery, Dead> {
    let (id, delivery): (i64, i32) = (row.get(0), row.get(1));
    let deliveries = u32::try_from(delivery).unwrap_or(u32::MAX);
    if deliveries > max_deliveries {
        return Err(Dead { id, delivery, reason: DeadReason::TooManyDeliveries });
    }
    match Message::from_wire(row.get(2)) {
        Ok(message) => Ok(Delivery { message, receipt: receipt(id, delivery), deliveries }),
        Err(error) => Err(Dead { id, delivery, reason: DeadReason::Unreadable(error.to_string()) }),
    }
}

/// Forgets the messages of good receipts.
pub(super) const ACK: &str = "DELETE FROM queue_handed AS handed
    USING unnest($1::bigint[], $2::integer[]) AS receipt (id, delivery)
    WHERE handed.id = receipt.id AND handed.deliveries = receipt.delivery AND handed.held";

/// Gives the messages of good receipts back, to be handed out after `$3` milliseconds.
pub(super) const NACK: &str = "UPDATE queue_handed AS handed SET held = false, visible_at = now_ms() + $3
    FROM unnest($1::bigint[], $2::integer[]) AS receipt (id, delivery)
    WHERE handed.id = receipt.id AND handed.deliveries = receipt.delivery AND handed.held";

/// What waits.
pub(super) const DEPTH: &str = "SELECT
    (SELECT count(*) FROM queue_ready),
    (SELECT count(*) FROM queue_handed),
    (SELECT count(*) FROM queue_handed WHERE visible_at > now_ms() AND held),
    least((SELECT published_at FROM queue_ready ORDER BY id LIMIT 1),
          (SELECT published_at FROM queue_handed ORDER BY id LIMIT 1)),
    (SELECT count(*) FROM queue_dead)";

/// Reads what [`DEPTH`] answers.
pub(super) fn depth(row: &Row) -> Depth {
    let number = |index| uint(row.get(index));
    let (stored, unacked) = (number(0) + number(1), number(2));
    Depth { ready: stored - unacked, unacked, oldest: row.get::<_, Option<i64>>(3).map(time), dead: number(4) }
}

fn receipt(id: i64, delivery: i32) -> Receipt {
    Receipt(format!("{id}.{delivery}"))
}

/// Rows and delivery numbers of receipts, by row, so that no two calls wait for each other. Left out is what no queue like
/// this gave.
pub(super) fn parse(receipts: &[Receipt]) -> (Vec<i64>, Vec<i32>) {
    let parse = |receipt: &Receipt| {
        let (id, delivery) = receipt.0.split_once('.')?;
        Some((id.parse::<i64>().ok()?, delivery.parse::<i32>().ok()?))
    };
    let mut parsed: Vec<_> = receipts.iter().filter_map(parse).collect();
    parsed.sort_unstable();
    parsed.dedup();
    parsed.into_iter().unzip()
}

/// A span in milliseconds. The longest is far beyond every time and leaves room to add one.
pub(super) fn span(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX).min(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_receipts_of_its_own_are_read() {
        let others = ["", "7", "7.", ".3", "7.3.1", "seven.3", "99999999999999999999.1"];
        let mut receipts: Vec<Receipt> = others.iter().map(|text| Receipt((*text).to_owned())).collect();
        receipts.extend([receipt(8, 1), receipt(7, 3), receipt(8, 1)]);
        assert_eq!(parse(&receipts), (vec![7, 8], vec![3, 1]));
    }

    #[test]
    fn the_longest_span_can_be_added_to_a_time() {
        assert_eq!(span(Duration::from_millis(42)), 42);
        assert!(span(Duration::MAX).checked_add(i64::MAX / 2).is_some());
    }
}
