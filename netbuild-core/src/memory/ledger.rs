//! The ledger in memory.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;

use super::ledger_state::State;
use crate::model::{
    AccountId, AttemptId, BuildId, BuildKey, BuildRecord, DeployContext, HolderId, LeaderEpoch, NameKey, ProjectId,
    Rank,
};
use crate::port::{
    Activation, Admission, Batch, BuildQuery, Clock, Cursor, Deploy, History, Lead, LeaderLease, Ledger, LedgerError,
    Message,
};

/// A ledger that keeps its records in memory: not durable, otherwise as strict as a real one.
#[derive(Debug)]
pub struct MemoryLedger {
    name_key: NameKey,
    limit: usize,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl MemoryLedger {
    /// An empty ledger with a random name key. Past `limit` builds, ended ones counted, it admits no more and answers
    /// [`LedgerError::Unavailable`].
    pub fn new(limit: usize, clock: Arc<dyn Clock>) -> Self {
        // Each id carries 74 bits of the operating system's random source; hashing spreads them over the key.
        let mut seed = [0; 32];
        for half in seed.chunks_exact_mut(16) {
            half.copy_from_slice(BuildId::generate().as_uuid().as_bytes());
        }
        Self::with_name_key(NameKey::new(NameKey::new(seed).derive("name-key")), limit, clock)
    }

    /// Like [`new`](Self::new), with a given name key: for runs that must repeat exactly.
    pub fn with_name_key(name_key: NameKey, limit: usize, clock: Arc<dyn Clock>) -> Self {
        MemoryLedger { name_key, limit, clock, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }
}

#[async_trait]
impl LeaderLease for MemoryLedger {
    async fn lead(&self, holder: &HolderId, ttl: Duration) -> Result<Lead, LedgerError> {
        Ok(self.state().lease.lead(holder, ttl, self.clock.monotonic()))
    }

    async fn resign(&self, epoch: LeaderEpoch) -> Result<(), LedgerError> {
        self.state().lease.resign(epoch);
        Ok(())
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn name_key(&self) -> Result<NameKey, LedgerError> {
        Ok(self.name_key.clone())
    }

    async fn cursors(&self) -> Result<Vec<Cursor>, LedgerError> {
        Ok(self.state().cursors())
    }

    async fn open_builds(&self, after: Rank, max: usize) -> Result<Vec<BuildRecord>, LedgerError> {
        Ok(self.state().open_builds(after, max))
    }

    async fn admit(&self, epoch: LeaderEpoch, batch: &[Message]) -> Result<Vec<Admission>, LedgerError> {
        self.state().admit(epoch, batch, self.limit, self.clock.now())
    }

    async fn append(&self, batch: &Batch) -> Result<(), LedgerError> {
        self.state().append(batch)
    }

    async fn activate(&self, epoch: LeaderEpoch, attempt: &AttemptId) -> Result<Activation, LedgerError> {
        self.state().activate(epoch, attempt, self.clock.now())
    }
}

#[async_trait]
impl History for MemoryLedger {
    async fn build(&self, key: &BuildKey) -> Result<Option<BuildRecord>, LedgerError> {
        Ok(self.state().build(key).cloned())
    }

    async fn builds(&self, query: &BuildQuery) -> Result<Vec<BuildRecord>, LedgerError> {
        Ok(self.state().builds(query))
    }

    async fn deploys(
        &self,
        account: &AccountId,
        project: &ProjectId,
        context: &DeployContext,
    ) -> Result<Vec<Deploy>, LedgerError> {
        Ok(self.state().deploys(account, project, context))
    }

    async fn reactivate(&self, key: &BuildKey) -> Result<(), LedgerError> {
        self.state().reactivate(key, self.clock.now())
    }
}
