//! The rows of the ledger that its leader writes: admitted builds and their changes. A batch is read by one statement and
//! written by one, whatever its size.

use std::collections::{BTreeMap, BTreeSet};

use netbuild_core::model::{
    BuildKey, BuildRecord, Change, IllegalChange, IllegalChangeKind, LeaderEpoch, Place, PublisherId, Rank, Timestamp,
};
use netbuild_core::port::{Admission, Batch, Cursor, LedgerError, Message};
use tokio_postgres::Row;
use uuid::Uuid;

use super::error::{Fault, Stop};
use super::handle::{Transaction, one};
use super::{history_rows, lease_rows};
use crate::value::{from_text, int, millis, state, to_json, uint};

type Answer<T> = Result<T, Stop<LedgerError>>;

/// Makes the key of the name hash when there is none, of the server's strong random source.
pub(super) const MAKE_NAME_KEY: &str = "INSERT INTO ledger_name_key (bytes)
    SELECT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
    ON CONFLICT DO NOTHING";

pub(super) const NAME_KEY: &str = "SELECT bytes FROM ledger_name_key";

/// How far each publisher's order was admitted.
pub(super) const CURSORS: &str = "SELECT publisher, epoch, seq FROM ledger_cursor ORDER BY publisher";

/// Reads a row of [`CURSORS`].
pub(super) fn cursor(row: &Row) -> Result<Cursor, Fault> {
    let publisher = from_text("ledger_cursor.publisher", row.get(0))?;
    Ok(Cursor { last: Place { publisher, epoch: uint(row.get(1)), seq: uint(row.get(2)) } })
}

const KNOWN: &str = "SELECT build_id FROM ledger_build WHERE build_id = ANY ($1::uuid[])";
const NEWEST: &str = "SELECT coalesce((SELECT max(rank) FROM ledger_build), 0)";

const ADVANCE: &str = "INSERT INTO ledger_cursor SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[])
    ON CONFLICT (publisher) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq
    WHERE (ledger_cursor.epoch, ledger_cursor.seq) < (excluded.epoch, excluded.seq)";

const ADMIT: &str = "INSERT INTO ledger_build
    SELECT rank, build_id, account, project, context, $1, state, record
    FROM unnest($2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
        AS batch (rank, build_id, account, project, context, state, record)";

/// Takes messages in. The lock of the lease makes ranks follow each other in the order of the commits, without gaps.
pub(super) async fn admit(
    transaction: &mut Transaction<'_>,
    epoch: LeaderEpoch,
    batch: &[Message],
) -> Answer<Vec<Admission>> {
    let (_, now) = lease_rows::fenced(transaction, epoch).await?;
    let ids: Vec<Uuid> = batch.iter().map(|message| *message.build.id.as_uuid()).collect();
    let (known, newest) = transaction.query_two((KNOWN, &[&ids]), (NEWEST, &[])).await?;
    let mut known: BTreeSet<Uuid> = known.iter().map(|row| row.get(0)).collect();
    let mut rank = Rank(uint(one(newest, "ledger_build")?.get(0)));
    let mut admissions = Vec::with_capacity(batch.len());
    let mut fresh = Vec::new();
    for (message, id) in batch.iter().zip(ids) {
        if !known.insert(id) {
            admissions.push(Admission::Duplicate);
            continue;
        }
        rank.0 += 1;
        admissions.push(Admission::Admitted { rank });
        fresh.push(BuildRecord::admitted(message.build.clone(), message.place.clone(), rank, now));
    }
    advance(transaction, batch).await?;
    insert(transaction, &fresh, now).await?;
    Ok(admissions)
}

/// Moves each publisher's cursor to its furthest place, duplicates counted.
async fn advance(transaction: &mut Transaction<'_>, batch: &[Message]) -> Result<(), Fault> {
    let mut furthest: BTreeMap<&PublisherId, (u64, u64)> = BTreeMap::new();
    for Message { place, .. } in batch {
        let at = furthest.entry(&place.publisher).or_default();
        *at = (*at).max((place.epoch, place.seq));
    }
    let publishers: Vec<&str> = furthest.keys().map(|publisher| publisher.as_str()).collect();
    let (epochs, seqs): (Vec<i64>, Vec<i64>) = furthest.values().map(|(epoch, seq)| (int(*epoch), int(*seq))).unzip();
    transaction.query(ADVANCE, &[&publishers, &epochs, &seqs]).await?;
    Ok(())
}

async fn insert(transaction: &mut Transaction<'_>, records: &[BuildRecord], now: Timestamp) -> Result<(), Fault> {
    if records.is_empty() {
        return Ok(());
    }
    let ranks: Vec<i64> = records.iter().map(|record| int(record.rank.0)).collect();
    let ids: Vec<Uuid> = records.iter().map(|record| *record.build.id.as_uuid()).collect();
    let accounts: Vec<&str> = records.iter().map(|record| record.build.account.as_str()).collect();
    let projects: Vec<&str> = records.iter().map(|record| record.build.project.as_str()).collect();
    let contexts: Vec<String> = records.iter().map(|record| to_json(&record.build.context)).collect();
    let states: Vec<&str> = records.iter().map(|record| state(&record.state)).collect();
    let jsons: Vec<String> = records.iter().map(to_json).collect();
    transaction.query(ADMIT, &[&millis(now), &ranks, &ids, &accounts, &projects, &contexts, &states, &jsons]).await?;
    Ok(())
}

/// Writes a batch of changes, once.
pub(super) async fn append(transaction: &mut Transaction<'_>, batch: &Batch) -> Answer<()> {
    let (mut lease, _) = lease_rows::fenced(transaction, batch.epoch).await?;
    if batch.number == lease.last_batch && lease.last_batch > 0 {
        return Ok(());
    }
    if batch.number != lease.last_batch + 1 {
        let expected = lease.last_batch + 1;
        return Err(Stop::Refused(LedgerError::BatchOrder { expected, got: batch.number }));
    }
    let mut records = load_all(transaction, batch.changes.iter().map(Change::build)).await?;
    let mut ranks = Vec::with_capacity(batch.changes.len());
    for change in &batch.changes {
        let record = records.get_mut(change.build()).ok_or_else(|| unknown(change.build()))?;
        record.apply(change).map_err(|illegal| Stop::Refused(illegal.into()))?;
        ranks.push(record.rank);
    }
    keep(transaction, batch, &ranks).await?;
    save(transaction, records.values()).await?;
    lease.last_batch = batch.number;
    lease_rows::write(transaction, &lease).await?;
    Ok(())
}

const KEEP: &str = "INSERT INTO ledger_change
    SELECT $1, $2, position - 1, rank, change
    FROM unnest($3::bigint[], $4::text[]) WITH ORDINALITY AS batch (rank, change, position)";

const PLANNED: &str = "INSERT INTO ledger_attempt SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[])";

/// Keeps changes for people, and where planned attempts went for look-ups.
async fn keep(transaction: &mut Transaction<'_>, batch: &Batch, ranks: &[Rank]) -> Result<(), Fault> {
    if batch.changes.is_empty() {
        return Ok(());
    }
    let (epoch, number) = (int(batch.epoch.0), int(batch.number));
    let changes: Vec<String> = batch.changes.iter().map(to_json).collect();
    let (mut executors, mut planned, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
    for (change, rank) in batch.changes.iter().zip(ranks) {
        if let Change::Planned { attempt, route, .. } = change {
            executors.push(route.executor.as_str());
            planned.push(int(rank.0));
            numbers.push(i64::from(attempt.number.get()));
        }
    }
    let ranks: Vec<i64> = ranks.iter().map(|rank| int(rank.0)).collect();
    transaction
        .query_two((KEEP, &[&epoch, &number, &ranks, &changes]), (PLANNED, &[&executors, &planned, &numbers]))
        .await?;
    Ok(())
}

const LOAD: &str = "SELECT record FROM ledger_build WHERE build_id = ANY ($1::uuid[])";

/// The builds of these keys that are there.
async fn load_all<'k>(
    transaction: &mut Transaction<'_>,
    keys: impl Iterator<Item = &'k BuildKey>,
) -> Result<BTreeMap<BuildKey, BuildRecord>, Fault> {
    let mut ids: Vec<Uuid> = keys.map(|key| *key.build.as_uuid()).collect();
    ids.sort_unstable();
    ids.dedup();
    let records = history_rows::records(&transaction.query(LOAD, &[&ids]).await?)?;
    // By the whole key: a build of another tenant is not the one that was asked for.
    Ok(records.into_iter().map(|record| (record.build.key(), record)).collect())
}

/// A build that must be there.
pub(super) async fn load(transaction: &mut Transaction<'_>, key: &BuildKey) -> Answer<BuildRecord> {
    let found = load_all(transaction, [key].into_iter()).await?.remove(key);
    found.ok_or_else(|| unknown(key))
}

fn unknown(key: &BuildKey) -> Stop<LedgerError> {
    Stop::Refused(IllegalChange { build: key.clone(), problem: IllegalChangeKind::UnknownBuild }.into())
}

const SAVE: &str = "UPDATE ledger_build AS build SET state = batch.state, record = batch.record
    FROM unnest($1::bigint[], $2::text[], $3::text[]) AS batch (rank, state, record) WHERE build.rank = batch.rank";

/// Writes builds that were changed.
pub(super) async fn save(
    transaction: &mut Transaction<'_>,
    records: impl Iterator<Item = &BuildRecord> + Clone,
) -> Result<(), Fault> {
    let ranks: Vec<i64> = records.clone().map(|record| int(record.rank.0)).collect();
    let states: Vec<&str> = records.clone().map(|record| state(&record.state)).collect();
    let jsons: Vec<String> = records.map(to_json).collect();
    transaction.query(SAVE, &[&ranks, &states, &jsons]).await?;
    Ok(())
}
