//! A leader as the cases play it.

use std::sync::Arc;
use std::time::Duration;

use super::Stop;
use crate::model::{
    AttemptId, AttemptNumber, BuildKey, BuildRecord, BuildState, Cause, Change, Ending, LeaderEpoch, Rank, Timestamp,
};
use crate::port::{Activation, Admission, Batch, Lead, Ledger, LedgerError, Message};
use crate::testkit::fixtures::{deploy, failed, holder, planned, requeued, settled, succeeded};

/// A lease that does not end within a case.
const LONG: Duration = Duration::from_secs(24 * 3600);

/// The time of every change: no case depends on it.
pub(super) const AT: Timestamp = Timestamp::from_millis(1_000);

/// Asks for the lease, which must be free.
pub(super) async fn lead(ledger: &Arc<dyn Ledger>, name: &str, ttl: Duration) -> Result<LeaderEpoch, Stop> {
    match ledger.lead(&holder(name), ttl).await? {
        Lead::Held { epoch } => Ok(epoch),
        Lead::Taken { by, .. } => Err(Stop::failed(format_args!("{name} asked for a free lease, and {by} has it"))),
    }
}

/// Holds the lease and numbers its batches.
#[derive(Debug)]
pub(super) struct Leader {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) epoch: LeaderEpoch,
    last_batch: u64,
}

impl Leader {
    pub(super) async fn new(ledger: Arc<dyn Ledger>) -> Result<Self, Stop> {
        let epoch = lead(&ledger, "leader", LONG).await?;
        Ok(Leader { ledger, epoch, last_batch: 0 })
    }

    /// Another one takes the lease over; this one does not know.
    pub(super) async fn replaced(&self) -> Result<Self, Stop> {
        self.ledger.resign(self.epoch).await?;
        let epoch = lead(&self.ledger, "successor", LONG).await?;
        Ok(Leader { ledger: self.ledger.clone(), epoch, last_batch: 0 })
    }

    /// Admits messages, which must all be new, and answers the ranks.
    pub(super) async fn admit(&self, messages: &[Message]) -> Result<Vec<Rank>, Stop> {
        let rank = |admission| match admission {
            Admission::Admitted { rank } => Ok(rank),
            Admission::Duplicate => Err(Stop::failed("a new build is not a duplicate")),
        };
        self.ledger.admit(self.epoch, messages).await?.into_iter().map(rank).collect()
    }

    /// The batch that comes next.
    pub(super) fn batch(&self, changes: Vec<Change>) -> Batch {
        Batch { epoch: self.epoch, number: self.last_batch + 1, changes }
    }

    /// Writes the next batch. A refused one leaves its number to the next.
    pub(super) async fn append(&mut self, changes: Vec<Change>) -> Result<(), LedgerError> {
        self.ledger.append(&self.batch(changes)).await?;
        self.last_batch += 1;
        Ok(())
    }

    /// Takes a queued build through its first attempt to a report of success with deploy number `n`.
    pub(super) async fn succeed(&mut self, key: &BuildKey, n: u64) -> Result<AttemptId, LedgerError> {
        let attempt = key.attempt(AttemptNumber::FIRST);
        let report = succeeded(Some(deploy(n)));
        self.append(vec![planned(&attempt, "process", AT), settled(&attempt, report, AT)]).await?;
        Ok(attempt)
    }

    /// Takes a queued build through its first attempt to its activation, with deploy number `n`.
    pub(super) async fn deploy(&mut self, key: &BuildKey, n: u64) -> Result<Activation, LedgerError> {
        let attempt = self.succeed(key, n).await?;
        self.activate(&attempt).await
    }

    pub(super) async fn activate(&self, attempt: &AttemptId) -> Result<Activation, LedgerError> {
        self.ledger.activate(self.epoch, attempt).await
    }

    /// Takes a queued build through a first attempt that is lost to a second one that is planned.
    pub(super) async fn retry(&mut self, key: &BuildKey) -> Result<AttemptId, LedgerError> {
        let (first, second) = (key.attempt(AttemptNumber::FIRST), key.attempt(AttemptNumber::new(2)));
        self.append(vec![
            planned(&first, "process", AT),
            settled(&first, failed(Cause::Lost), AT),
            requeued(key, AT),
            planned(&second, "process", AT),
        ])
        .await?;
        Ok(second)
    }

    /// Ends a queued build as a failure.
    pub(super) async fn fail(&mut self, key: &BuildKey) -> Result<(), LedgerError> {
        let ending = Ending::from(Cause::QueueTimeout);
        self.append(vec![Change::Ended { build: key.clone(), ending, at: AT }]).await
    }

    /// The record of a build, which must be there.
    pub(super) async fn record(&self, key: &BuildKey) -> Result<BuildRecord, Stop> {
        self.ledger.build(key).await?.ok_or_else(|| Stop::failed(format_args!("the ledger knows {key}")))
    }

    /// The state of a build, which must be there.
    pub(super) async fn state(&self, key: &BuildKey) -> Result<BuildState, Stop> {
        Ok(self.record(key).await?.state)
    }
}
