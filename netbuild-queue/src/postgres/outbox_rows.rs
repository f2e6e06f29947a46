//! The rows of the outbox.

use std::collections::{BTreeMap, BTreeSet};

use netbuild_core::model::{BuildId, Place, PublisherId};
use netbuild_core::port::{Event, Message, OutboxError, Recorded};
use tokio_postgres::Row;
use uuid::Uuid;

use super::error::{Fault, Stop};
use super::handle::{Transaction, one};
use super::queue_rows::{self, span};
use super::session::Values;
use crate::value::{count, from_json, from_text, int, uint};

/// How many pending events are published with a batch at most, beyond its size.
const TAKEN_ALONG: usize = 1_000;
/// How many old keys a call looks at to forget them, beyond twice the number of events it published.
const FORGOTTEN: u64 = 100;

/// Makes a publisher with an epoch of the time, when there is none.
pub(super) const MAKE_PUBLISHER: &str =
    "INSERT INTO outbox_publisher VALUES ($1, greatest(now_ms(), 1), 0, 0) ON CONFLICT DO NOTHING";

pub(super) const EPOCH: &str = "SELECT epoch FROM outbox_publisher WHERE publisher = $1";

/// The unpublished with a seq above `$2`.
pub(super) const PENDING: &str = "SELECT seq, build FROM outbox_event
    WHERE publisher = $1 AND seq > greatest($2, (SELECT published_seq FROM outbox_publisher WHERE publisher = $1))
    ORDER BY seq LIMIT $3";

pub(super) const BACKLOG: &str = "SELECT last_seq - published_seq,
        (SELECT recorded_at FROM outbox_event WHERE publisher = $1 AND seq > published_seq ORDER BY seq LIMIT 1)
    FROM outbox_publisher WHERE publisher = $1";

/// The publisher's row. Whoever has its lock is the only one to give numbers, until the end of the transaction.
const LOCK: &str = "SELECT last_seq, published_seq FROM outbox_publisher WHERE publisher = $1 FOR UPDATE";

/// The events that are known, of any publisher: those of accounts `$1` and keys `$2`, and those with build ids `$3`. One
/// statement, so that what another publisher commits meanwhile is seen as both or as neither.
const KNOWN: &str = "WITH found AS (
        SELECT event.* FROM unnest($1::text[], $2::bytea[]) AS batch (account, event_key)
            JOIN outbox_event AS event USING (account, event_key)
        UNION ALL
        SELECT * FROM outbox_event WHERE build_id = ANY ($3::uuid[]))
    SELECT found.account, found.event_key, found.publisher, maker.epoch, found.seq, found.build_id
    FROM found JOIN outbox_publisher AS maker ON maker.publisher = found.publisher";

const INSERT: &str = "INSERT INTO outbox_event (publisher, seq, account, event_key, build_id, recorded_at, build)
    SELECT $1, seq, account, event_key, build_id, now_ms(), build
    FROM unnest($2::bigint[], $3::text[], $4::bytea[], $5::uuid[], $6::text[])
        AS batch (seq, account, event_key, build_id, build)";

const SET_LAST: &str = "UPDATE outbox_publisher SET last_seq = $2 WHERE publisher = $1";

const MARK: &str = "UPDATE outbox_publisher SET published_seq = $2 WHERE publisher = $1";

const FREE: &str = "UPDATE outbox_event SET build = NULL WHERE publisher = $1 AND seq > $2 AND seq <= $3";

/// Of the oldest `$3` published events up to `$2`, forgets those that are older than `$4`.
const FORGET: &str =
    "DELETE FROM outbox_event WHERE publisher = $1 AND recorded_at < now_ms() - $4 AND seq = ANY (ARRAY(
    SELECT seq FROM outbox_event WHERE publisher = $1 AND seq <= $2 ORDER BY seq LIMIT $3))";

/// The rows of one publisher.
pub(super) struct Rows<'p> {
    pub(super) publisher: &'p PublisherId,
    pub(super) epoch: u64,
}

/// How far a publisher came.
struct Seqs {
    last: u64,
    published: u64,
}

/// The fresh events of a batch, as columns.
#[derive(Default)]
struct Fresh<'b> {
    seqs: Vec<i64>,
    accounts: Vec<&'b str>,
    keys: Vec<&'b [u8]>,
    ids: Vec<Uuid>,
    builds: Vec<String>,
}

impl Rows<'_> {
    /// Records a batch.
    pub(super) async fn record(
        &self,
        transaction: &mut Transaction<'_>,
        batch: &[Event],
    ) -> Result<Vec<Recorded>, Stop<OutboxError>> {
        let builds: Result<Vec<String>, OutboxError> = batch.iter().map(Event::checked).collect();
        let builds = builds.map_err(Stop::Refused)?;
        let before = self.lock(transaction).await?;
        let accounts: Vec<&str> = batch.iter().map(|event| event.build.account.as_str()).collect();
        let keys: Vec<&[u8]> = batch.iter().map(|event| event.key.0.as_bytes()).collect();
        let ids: Vec<Uuid> = batch.iter().map(|event| *event.build.id.as_uuid()).collect();
        let mut known = known_events(&transaction.query(KNOWN, &[&accounts, &keys, &ids]).await?)?;
        let mut taken: BTreeSet<Uuid> = known.values().map(|recorded| *recorded.build.as_uuid()).collect();

        let mut last = before.last;
        let mut fresh = Fresh::default();
        let mut answers = Vec::with_capacity(batch.len());
        for (event, build) in batch.iter().zip(builds) {
            let (account, key) = (event.build.account.as_str(), event.key.0.as_bytes());
            if let Some(first) = known.get(&(account.to_owned(), key.to_owned())) {
                answers.push(first.clone());
                continue;
            }
            let id = event.build.id;
            if !taken.insert(*id.as_uuid()) {
                return Err(Stop::Refused(OutboxError::BuildIdTaken(id)));
            }
            last += 1;
            let recorded = Recorded { place: self.place(last), build: id, fresh: false };
            known.insert((account.to_owned(), key.to_owned()), recorded.clone());
            answers.push(Recorded { fresh: true, ..recorded });
            fresh.seqs.push(int(last));
            fresh.accounts.push(account);
            fresh.keys.push(key);
            fresh.ids.push(*id.as_uuid());
            fresh.builds.push(build);
        }
        if fresh.seqs.is_empty() {
            return Ok(answers);
        }
        let limit = transaction.options().outbox_limit;
        if last - before.published > limit {
            return Err(Stop::Refused(OutboxError::Full { limit }));
        }
        let Fresh { seqs, accounts, keys, ids, builds } = &fresh;
        let publisher = self.publisher.as_str();
        let insert: Values<'_> = &[&publisher, seqs, accounts, keys, ids, builds];
        transaction.query_two((INSERT, insert), (SET_LAST, &[&publisher, &int(last)])).await?;
        Ok(answers)
    }

    /// Moves what is pending to the queue of the same schema, as far as that has room.
    pub(super) async fn publish(&self, transaction: &mut Transaction<'_>, recorded: usize) -> Result<(), Fault> {
        let max = queue_rows::room(transaction).await?.min(TAKEN_ALONG.saturating_add(recorded));
        let pending = transaction.query(PENDING, &[&self.publisher.as_str(), &0_i64, &count(max)]).await?;
        let messages = self.messages(&pending)?;
        let Some(last) = messages.last() else { return Ok(()) };
        queue_rows::insert(transaction, &messages).await?;
        self.published(transaction, last.place.seq).await
    }

    /// Marks everything up to `seq`, frees the builds and forgets some keys that are old enough.
    pub(super) async fn published(&self, transaction: &mut Transaction<'_>, seq: u64) -> Result<(), Fault> {
        let Seqs { last, published } = self.lock(transaction).await?;
        // Never above what is recorded: an event recorded later is pending, whatever was marked before.
        let seq = seq.min(last).max(published);
        let publisher = self.publisher.as_str();
        let free: Values<'_> = &[&publisher, &int(published), &int(seq)];
        transaction.query_two((MARK, &[&publisher, &int(seq)]), (FREE, free)).await?;
        let steps = FORGOTTEN + 2 * (seq - published);
        let age = span(transaction.options().event_key_age);
        transaction.query(FORGET, &[&publisher, &int(seq), &int(steps), &age]).await?;
        Ok(())
    }

    async fn lock(&self, transaction: &mut Transaction<'_>) -> Result<Seqs, Fault> {
        let row = one(transaction.query(LOCK, &[&self.publisher.as_str()]).await?, "outbox_publisher")?;
        Ok(Seqs { last: uint(row.get(0)), published: uint(row.get(1)) })
    }

    /// Reads rows of [`PENDING`].
    pub(super) fn messages(&self, rows: &[Row]) -> Result<Vec<Message>, Fault> {
        let read = |row: &Row| {
            let build = from_json("outbox_event.build", row.get(1))?;
            Ok(Message { place: self.place(uint(row.get(0))), build })
        };
        rows.iter().map(read).collect()
    }

    fn place(&self, seq: u64) -> Place {
        Place { publisher: self.publisher.clone(), epoch: self.epoch, seq }
    }
}

/// The answers for events that were recorded before, by account and key.
fn known_events(rows: &[Row]) -> Result<BTreeMap<(String, Vec<u8>), Recorded>, Fault> {
    let read = |row: &Row| {
        let publisher: PublisherId = from_text("outbox_event.publisher", row.get(2))?;
        let place = Place { publisher, epoch: uint(row.get(3)), seq: uint(row.get(4)) };
        let build = BuildId::from(row.get::<_, Uuid>(5));
        Ok(((row.get(0), row.get(1)), Recorded { place, build, fresh: false }))
    };
    rows.iter().map(read).collect()
}
