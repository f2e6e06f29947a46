//! The leader lease's row, and how far the leader's batches came.

use std::time::Duration;

use netbuild_core::model::{HolderId, LeaderEpoch, Timestamp};
use netbuild_core::port::{Lead, LedgerError};
use rusqlite::{Connection, params};

use super::error::Failure;

type Result<T> = std::result::Result<T, Failure<LedgerError>>;

/// Only the newest epoch writes, and only one that was given out.
pub(super) fn check(connection: &Connection, epoch: LeaderEpoch) -> Result<()> {
    let current = connection.prepare_cached("SELECT epoch FROM lease")?.query_row([], |row| row.get(0))?;
    let current = LeaderEpoch(current);
    if epoch == current && epoch.0 > 0 { Ok(()) } else { Err(Failure::Refused(LedgerError::Fenced { current })) }
}

/// Counts a batch in. `false`: it is the last one again, and written.
pub(super) fn take_batch(connection: &Connection, number: u64) -> Result<bool> {
    let last: u64 = connection.prepare_cached("SELECT last_batch FROM lease")?.query_row([], |row| row.get(0))?;
    if number == last && last > 0 {
        return Ok(false);
    }
    if number != last + 1 {
        return Err(Failure::Refused(LedgerError::BatchOrder { expected: last + 1, got: number }));
    }
    connection.prepare_cached("UPDATE lease SET last_batch = ?1")?.execute([number])?;
    Ok(true)
}

pub(super) fn lead(connection: &Connection, holder: &HolderId, ttl: Duration, now: Timestamp) -> Result<Lead> {
    let row = "SELECT epoch, holder, until FROM lease";
    let (epoch, by, until): (u64, Option<String>, u64) =
        connection.query_row(row, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let until = Timestamp::from_millis(until);
    let renews = match by {
        Some(by) if until > now && by != holder.as_str() => {
            let by = HolderId::new(by).map_err(|error| Failure::Corrupt(error.into()))?;
            return Ok(Lead::Taken { by, left: until.since(now) });
        }
        Some(_) => until > now,
        None => false,
    };
    // A ttl of centuries must still be a number that SQLite holds.
    let until = (now + ttl).as_millis().min(i64::MAX as u64);
    if renews {
        connection.execute("UPDATE lease SET until = ?1", [until])?;
        return Ok(Lead::Held { epoch: LeaderEpoch(epoch) });
    }
    let taken = "UPDATE lease SET epoch = ?1, last_batch = 0, holder = ?2, until = ?3";
    connection.execute(taken, params![epoch + 1, holder.as_str(), until])?;
    Ok(Lead::Held { epoch: LeaderEpoch(epoch + 1) })
}

pub(super) fn resign(connection: &Connection, epoch: LeaderEpoch) -> Result<()> {
    connection.execute("UPDATE lease SET holder = NULL, until = 0 WHERE epoch = ?1", [epoch.0])?;
    Ok(())
}
