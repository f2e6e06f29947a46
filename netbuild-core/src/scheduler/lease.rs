//! Holding the leader lease: renewed in time, and known to be over before the ledger gives it away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::model::{HolderId, LeaderEpoch};
use crate::port::{Clock, Lead, Ledger};

/// A lease that is held, as its holder counts it: by its own monotonic clock, from before the call that renewed it.
#[derive(Clone, Debug)]
pub(super) struct HeldLease {
    pub(super) epoch: LeaderEpoch,
    clock: Arc<dyn Clock>,
    /// Monotonic milliseconds.
    until: Arc<AtomicU64>,
}

impl HeldLease {
    /// Whether acting is still right. Asked before each act: a process that was frozen finds out here.
    pub(super) fn holds(&self) -> bool {
        millis(self.clock.monotonic()) < self.until.load(Ordering::Acquire)
    }

    fn left(&self) -> Duration {
        let until = self.until.load(Ordering::Acquire);
        Duration::from_millis(until.saturating_sub(millis(self.clock.monotonic())))
    }
}

/// Asks for the lease until it is held.
pub(super) async fn acquire(
    ledger: &Arc<dyn Ledger>,
    clock: &Arc<dyn Clock>,
    holder: &HolderId,
    ttl: Duration,
) -> HeldLease {
    loop {
        let before = clock.monotonic();
        let wait = match tokio::time::timeout(ttl, ledger.lead(holder, ttl)).await {
            Ok(Ok(Lead::Held { epoch })) => {
                let until = Arc::new(AtomicU64::new(millis(before + ttl)));
                return HeldLease { epoch, clock: clock.clone(), until };
            }
            Ok(Ok(Lead::Taken { by, left })) => {
                tracing::debug!(%by, ?left, "another scheduler leads");
                left.min(ttl / 3).max(Duration::from_millis(10))
            }
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the leader lease cannot be asked for");
                ttl / 3
            }
            Err(_) => Duration::ZERO,
        };
        tokio::time::sleep(wait).await;
    }
}

/// Renews the lease for as long as it goes well; returns when it is lost or ran out.
pub(super) async fn keep(lease: HeldLease, ledger: Arc<dyn Ledger>, holder: HolderId, ttl: Duration) {
    loop {
        tokio::time::sleep((ttl / 3).min(lease.left())).await;
        if !lease.holds() {
            return;
        }
        let before = lease.clock.monotonic();
        match tokio::time::timeout(lease.left(), ledger.lead(&holder, ttl)).await {
            Ok(Ok(Lead::Held { epoch })) if epoch == lease.epoch => {
                lease.until.store(millis(before + ttl), Ordering::Release);
            }
            Ok(Ok(Lead::Held { .. } | Lead::Taken { .. })) => return,
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the leader lease cannot be renewed yet");
            }
            Err(_) => return,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
