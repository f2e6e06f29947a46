//! The ledger over the store's thread.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::model::{
    AccountId, AttemptId, BuildKey, BuildRecord, DeployContext, HolderId, LeaderEpoch, NameKey, ProjectId, Rank,
};
use netbuild_core::port::{
    Activation, Admission, Batch, BuildQuery, Cursor, Deploy, History, Lead, LeaderLease, Ledger, LedgerError, Message,
};

use super::handle::Handle;
use super::{history_rows, lease_rows, ledger_rows, site_rows};

/// The ledger in a SQLite file.
///
/// The lease runs by the wall clock of the store that is asked, so processes that share the file should agree on the time
/// to within a small part of the lease; the fence holds whether they do or not. Every change that was appended is kept in
/// the table `ledger_change` as well, for people.
#[derive(Clone, Debug)]
pub struct SqliteLedger {
    handle: Arc<Handle>,
}

impl SqliteLedger {
    pub(super) fn new(handle: Arc<Handle>) -> Self {
        SqliteLedger { handle }
    }
}

#[async_trait]
impl LeaderLease for SqliteLedger {
    async fn lead(&self, holder: &HolderId, ttl: Duration) -> Result<Lead, LedgerError> {
        let holder = holder.clone();
        self.handle.write(move |connection, now| lease_rows::lead(connection, &holder, ttl, now)).await
    }

    async fn resign(&self, epoch: LeaderEpoch) -> Result<(), LedgerError> {
        self.handle.write(move |connection, _| lease_rows::resign(connection, epoch)).await
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn name_key(&self) -> Result<NameKey, LedgerError> {
        self.handle.write(|connection, _| ledger_rows::name_key(connection)).await
    }

    async fn cursors(&self) -> Result<Vec<Cursor>, LedgerError> {
        self.handle.read(|connection, _| ledger_rows::cursors(connection)).await
    }

    async fn open_builds(&self, after: Rank, max: usize) -> Result<Vec<BuildRecord>, LedgerError> {
        self.handle.read(move |connection, _| history_rows::open_builds(connection, after, max)).await
    }

    async fn admit(&self, epoch: LeaderEpoch, batch: &[Message]) -> Result<Vec<Admission>, LedgerError> {
        let batch = batch.to_vec();
        self.handle.write(move |connection, now| ledger_rows::admit(connection, epoch, &batch, now)).await
    }

    async fn append(&self, batch: &Batch) -> Result<(), LedgerError> {
        let batch = batch.clone();
        self.handle.write(move |connection, _| ledger_rows::append(connection, &batch)).await
    }

    async fn activate(&self, epoch: LeaderEpoch, attempt: &AttemptId) -> Result<Activation, LedgerError> {
        let attempt = attempt.clone();
        self.handle.write(move |connection, now| site_rows::activate(connection, epoch, &attempt, now)).await
    }
}

#[async_trait]
impl History for SqliteLedger {
    async fn build(&self, key: &BuildKey) -> Result<Option<BuildRecord>, LedgerError> {
        let key = key.clone();
        self.handle.read(move |connection, _| history_rows::build(connection, &key)).await
    }

    async fn builds(&self, query: &BuildQuery) -> Result<Vec<BuildRecord>, LedgerError> {
        let query = query.clone();
        self.handle.read(move |connection, _| history_rows::builds(connection, &query)).await
    }

    async fn deploys(
        &self,
        account: &AccountId,
        project: &ProjectId,
        context: &DeployContext,
    ) -> Result<Vec<Deploy>, LedgerError> {
        let site = site_rows::Site::new(account, project, context);
        self.handle.read(move |connection, _| site_rows::deploys(connection, &site)).await
    }

    async fn reactivate(&self, key: &BuildKey) -> Result<(), LedgerError> {
        let key = key.clone();
        self.handle.write(move |connection, now| site_rows::reactivate(connection, &key, now)).await
    }
}
