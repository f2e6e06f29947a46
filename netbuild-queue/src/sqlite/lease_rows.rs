//! The row of the leader lease, and how far the leader's batches came.

use std::time::Duration;

use netbuild_core::model::{HolderId, LeaderEpoch, Timestamp};
use netbuild_core::port::{Lead, LedgerError};
use rusqlite::{Connection, params};

use super::error::Stop;
use super::value::{from_text, int, millis, time, uint};
use crate::lease::Lease;

type Answer<T> = Result<T, Stop<LedgerError>>;

/// Takes, renews or answers who has the lease.
pub(super) fn lead(connection: &Connection, holder: &HolderId, ttl: Duration, now: Timestamp) -> Answer<Lead> {
    let (lead, lease) = read(connection)?.lead(holder, ttl, now);
    write(connection, &lease)?;
    Ok(lead)
}

/// Gives the lease back, if the epoch holds it.
pub(super) fn resign(connection: &Connection, epoch: LeaderEpoch) -> Answer<()> {
    let lease = read(connection)?;
    if lease.epoch == epoch {
        write(connection, &Lease { holder: None, ..lease })?;
    }
    Ok(())
}

/// The lease, if `epoch` is the newest that was given out. The transaction that reads it must be the one that writes.
pub(super) fn fenced(connection: &Connection, epoch: LeaderEpoch) -> Answer<Lease> {
    read(connection)?.fenced(epoch).map_err(Stop::Refused)
}

/// Takes down the number of the leader's last batch.
pub(super) fn set_last_batch(connection: &Connection, number: u64) -> Answer<()> {
    connection.prepare_cached("UPDATE ledger_lease SET last_batch = ?1")?.execute([int(number)])?;
    Ok(())
}

fn read(connection: &Connection) -> Answer<Lease> {
    let mut select = connection.prepare_cached("SELECT epoch, last_batch, holder, until FROM ledger_lease")?;
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let (epoch, last_batch, holder, until): (i64, i64, Option<String>, i64) = select.query_row([], row)?;
    let holder = match holder {
        Some(name) => Some((from_text("ledger_lease.holder", &name)?, time(until))),
        None => None,
    };
    Ok(Lease { epoch: LeaderEpoch(uint(epoch)), last_batch: uint(last_batch), holder })
}

fn write(connection: &Connection, lease: &Lease) -> Answer<()> {
    let (holder, until) = match &lease.holder {
        Some((holder, until)) => (Some(holder.as_str()), *until),
        None => (None, Timestamp::EPOCH),
    };
    let update = "UPDATE ledger_lease SET epoch = ?1, last_batch = ?2, holder = ?3, until = ?4";
    let row = params![int(lease.epoch.0), int(lease.last_batch), holder, millis(until)];
    connection.prepare_cached(update)?.execute(row)?;
    Ok(())
}
