//! The rows of dead letters.

use netbuild_core::port::{DeadBody, DeadLetter, DeadLetterId, Message};
use tokio_postgres::Row;

use super::error::Fault;
use super::queue_rows::Dead;
use crate::dead_reason::{columns, reason};
use crate::value::time;

/// Moves messages out of the queue: rows `$1` with deliveries `$2`, for the kinds `$3` of reasons and their texts `$4`,
/// after so many hand-outs `$5`.
pub(super) const BURY: &str = "WITH dead AS (
        DELETE FROM queue_handed AS handed
        USING unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::integer[])
            AS letter (id, delivery, kind, reason, deliveries)
        WHERE handed.id = letter.id AND handed.deliveries = letter.delivery AND handed.held
        RETURNING handed.id, handed.body, letter.kind, letter.reason, letter.deliveries)
    INSERT INTO queue_dead (body, kind, reason, deliveries, died_at)
    SELECT body, kind, reason, deliveries, now_ms() FROM dead ORDER BY id";

/// The columns of a burial, as [`BURY`] takes them.
#[derive(Default)]
pub(super) struct Burial {
    pub(super) ids: Vec<i64>,
    pub(super) deliveries: Vec<i32>,
    pub(super) kinds: Vec<&'static str>,
    pub(super) reasons: Vec<String>,
    pub(super) counts: Vec<i32>,
}

impl Burial {
    /// Of what a look at the queue found dead: that look was no hand-out.
    pub(super) fn of(dead: &[Dead]) -> Self {
        let mut burial = Burial::default();
        for letter in dead {
            let (kind, text) = columns(&letter.reason);
            burial.ids.push(letter.id);
            burial.deliveries.push(letter.delivery);
            burial.kinds.push(kind);
            burial.reasons.push(plain(text));
            burial.counts.push(letter.delivery - 1);
        }
        burial
    }

    /// Of deliveries that a consumer buries.
    pub(super) fn by_consumer(ids: Vec<i64>, deliveries: Vec<i32>, text: &str) -> Self {
        let count = ids.len();
        let counts = deliveries.clone();
        Burial { ids, deliveries, kinds: vec!["buried"; count], reasons: vec![plain(text); count], counts }
    }
}

/// Text as PostgreSQL takes it: it keeps every character but NUL.
fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Dead letters, oldest first.
pub(super) const LIST: &str = "SELECT id, body, kind, reason, deliveries, died_at FROM queue_dead ORDER BY id LIMIT $1";

/// Reads a row of [`LIST`].
pub(super) fn letter(row: &Row) -> Result<DeadLetter, Fault> {
    let body: Vec<u8> = row.get(1);
    let unknown = || Fault::Unreadable("an unknown queue_dead.kind".to_owned());
    let reason = reason(row.get(2), row.get(3)).ok_or_else(unknown)?;
    let body = match Message::from_wire(&body) {
        Ok(message) => DeadBody::Message(Box::new(message)),
        Err(_) => DeadBody::Unreadable(body),
    };
    let deliveries = u32::try_from(row.get::<_, i32>(4)).unwrap_or_default();
    let id = DeadLetterId(row.get::<_, i64>(0).to_string());
    Ok(DeadLetter { id, body, reason, deliveries, died_at: Some(time(row.get(5))) })
}

/// Puts dead letters at the end of the queue, in the order given. They were accepted once, so neither its bound nor its
/// memory of ids counts.
pub(super) const REDRIVE: &str =
    "WITH back AS (DELETE FROM queue_dead WHERE id = ANY ($1::bigint[]) RETURNING id, body),
    stored AS (INSERT INTO queue_ready (published_at, body)
        SELECT now_ms(), body FROM back ORDER BY array_position($1::bigint[], id))
    SELECT count(*) FROM back";

/// Forgets dead letters.
pub(super) const DISCARD: &str = "WITH gone AS (DELETE FROM queue_dead WHERE id = ANY ($1::bigint[]) RETURNING id)
    SELECT count(*) FROM gone";

/// Rows of ids; left out is what no queue like this gave.
pub(super) fn parse(ids: &[DeadLetterId]) -> Vec<i64> {
    ids.iter().filter_map(|id| id.0.parse().ok()).collect()
}
