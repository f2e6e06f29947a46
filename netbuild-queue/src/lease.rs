//! The leader lease as databases keep it: what asking for it does.

use std::time::Duration;

use netbuild_core::model::{HolderId, LeaderEpoch, Timestamp};
use netbuild_core::port::{Lead, LedgerError};

/// The lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) epoch: LeaderEpoch,
    pub(crate) last_batch: u64,
    /// Who holds it, and until when.
    pub(crate) holder: Option<(HolderId, Timestamp)>,
}

impl Lease {
    /// What asking for it answers, and the lease after that.
    pub(crate) fn lead(mut self, holder: &HolderId, ttl: Duration, now: Timestamp) -> (Lead, Lease) {
        match &self.holder {
            Some((by, until)) if *until > now && by != holder => {
                return (Lead::Taken { by: by.clone(), left: until.since(now) }, self);
            }
            Some((_, until)) if *until > now => {}
            _ => {
                self.epoch.0 += 1;
                self.last_batch = 0;
            }
        }
        self.holder = Some((holder.clone(), now + ttl));
        (Lead::Held { epoch: self.epoch }, self)
    }

    /// The lease, if `epoch` is the newest that was given out. The transaction that read it must be the one that writes.
    pub(crate) fn fenced(self, epoch: LeaderEpoch) -> Result<Lease, LedgerError> {
        if self.epoch == epoch && epoch.0 > 0 { Ok(self) } else { Err(LedgerError::Fenced { current: self.epoch }) }
    }
}
