//! The row of the leader lease, and how far the leader's batches came.

use netbuild_core::model::{HolderId, LeaderEpoch, Timestamp};
use netbuild_core::port::LedgerError;

use super::error::{Fault, Stop};
use super::handle::{Transaction, one};
use crate::lease::Lease;
use crate::value::{from_text, int, millis, time, uint};

// With the row's lock: nobody else takes the lease or writes by it until the transaction ends, so what is decided by this
// row is still true when it is written. The time may be older than the lock by the wait for it, which makes a lease end
// later for others and never for its holder.
const LOCK: &str = "SELECT epoch, last_batch, holder, until, now_ms() FROM ledger_lease FOR UPDATE";

const WRITE: &str = "UPDATE ledger_lease SET epoch = $1, last_batch = $2, holder = $3, until = $4";

/// The lease, and the time.
pub(super) async fn lock(transaction: &mut Transaction<'_>) -> Result<(Lease, Timestamp), Fault> {
    let row = one(transaction.query(LOCK, &[]).await?, "ledger_lease")?;
    let holder: Option<HolderId> = match row.get::<_, Option<&str>>(2) {
        Some(name) => Some(from_text("ledger_lease.holder", name)?),
        None => None,
    };
    let holder = holder.map(|holder| (holder, time(row.get(3))));
    let lease = Lease { epoch: LeaderEpoch(uint(row.get(0))), last_batch: uint(row.get(1)), holder };
    Ok((lease, time(row.get(4))))
}

/// The lease, if `epoch` is the newest that was given out, and the time.
pub(super) async fn fenced(
    transaction: &mut Transaction<'_>,
    epoch: LeaderEpoch,
) -> Result<(Lease, Timestamp), Stop<LedgerError>> {
    let (lease, now) = lock(transaction).await?;
    Ok((lease.fenced(epoch).map_err(Stop::Refused)?, now))
}

/// Writes the lease.
pub(super) async fn write(transaction: &mut Transaction<'_>, lease: &Lease) -> Result<(), Fault> {
    let (holder, until) = match &lease.holder {
        Some((holder, until)) => (Some(holder.as_str()), *until),
        None => (None, Timestamp::EPOCH),
    };
    let (epoch, last_batch) = (int(lease.epoch.0), int(lease.last_batch));
    transaction.query(WRITE, &[&epoch, &last_batch, &holder, &millis(until)]).await?;
    Ok(())
}
