//! Waiting for the ledger: nothing may happen that it does not know, so a ledger that is away stops everything.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use super::calls::Caller;
use crate::port::LedgerError;

/// Why a leader stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The host asked for it.
    Shutdown,
    /// It must not or cannot go on leading; another turn may.
    Lost(&'static str),
}

/// The wait before a ledger that was away is asked again.
const PAUSE: Duration = Duration::from_millis(200);

impl Caller {
    /// Asks the ledger until it answers, for as long as the lease holds.
    pub(super) async fn patiently<T, F>(&self, mut call: impl FnMut() -> F) -> Result<T, End>
    where
        F: Future<Output = Result<T, LedgerError>>,
    {
        loop {
            match tokio::time::timeout(self.config.call_deadline, call()).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(LedgerError::Fenced { .. })) => return Err(End::Lost("another scheduler leads")),
                Ok(Err(error @ (LedgerError::Unavailable(_) | LedgerError::Unknown(_)))) => {
                    tracing::warn!(error = &error as &dyn Error, "the ledger is away; asking again");
                }
                Ok(Err(error)) => {
                    tracing::error!(error = &error as &dyn Error, "the ledger refused");
                    return Err(End::Lost("the ledger refused"));
                }
                Err(_) => tracing::warn!("the ledger does not answer; asking again"),
            }
            if !self.lease.holds() {
                return Err(End::Lost("the leader lease is over"));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
