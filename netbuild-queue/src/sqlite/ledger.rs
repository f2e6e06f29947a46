//! The ledger in the file.

use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::model::{
    AccountId, AttemptId, BuildKey, BuildRecord, DeployContext, HolderId, LeaderEpoch, NameKey, ProjectId, Rank,
};
use netbuild_core::port::{
    Activation, Admission, Batch, BuildQuery, Cursor, Deploy, History, Lead, LeaderLease, Ledger, LedgerError, Message,
};
use rusqlite::Connection;

use super::error::Failure;
use super::store::SqliteStore;
use super::{build_rows, deploy_rows, lease_rows};

/// The ledger. Made by [`SqliteStore::ledger`].
#[derive(Clone, Debug)]
pub struct SqliteLedger {
    store: SqliteStore,
}

impl SqliteLedger {
    pub(super) fn new(store: SqliteStore) -> Self {
        SqliteLedger { store }
    }

    async fn run<T: Send + 'static>(
        &self,
        command: impl FnOnce(&Connection) -> Result<T, Failure<LedgerError>> + Send + 'static,
    ) -> Result<T, LedgerError> {
        Ok(self.store.writer.run(command).await?)
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn name_key(&self) -> Result<NameKey, LedgerError> {
        self.run(build_rows::name_key).await
    }

    async fn cursors(&self) -> Result<Vec<Cursor>, LedgerError> {
        self.run(build_rows::cursors).await
    }

    async fn open_builds(&self, after: Rank, max: usize) -> Result<Vec<BuildRecord>, LedgerError> {
        self.run(move |connection| build_rows::open_builds(connection, after, max)).await
    }

    async fn admit(&self, epoch: LeaderEpoch, batch: &[Message]) -> Result<Vec<Admission>, LedgerError> {
        let (batch, now) = (batch.to_vec(), self.store.clock.now());
        self.run(move |connection| {
            lease_rows::check(connection, epoch)?;
            build_rows::admit(connection, &batch, now)
        })
        .await
    }

    async fn append(&self, batch: &Batch) -> Result<(), LedgerError> {
        let batch = batch.clone();
        self.run(move |connection| {
            lease_rows::check(connection, batch.epoch)?;
            if lease_rows::take_batch(connection, batch.number)? {
                build_rows::apply(connection, &batch)?;
            }
            Ok(())
        })
        .await
    }

    async fn activate(&self, epoch: LeaderEpoch, attempt: &AttemptId) -> Result<Activation, LedgerError> {
        let (attempt, now) = (attempt.clone(), self.store.clock.now());
        self.run(move |connection| {
            lease_rows::check(connection, epoch)?;
            deploy_rows::activate(connection, &attempt, now)
        })
        .await
    }
}

#[async_trait]
impl LeaderLease for SqliteLedger {
    async fn lead(&self, holder: &HolderId, ttl: Duration) -> Result<Lead, LedgerError> {
        let (holder, now) = (holder.clone(), self.store.clock.now());
        self.run(move |connection| lease_rows::lead(connection, &holder, ttl, now)).await
    }

    async fn resign(&self, epoch: LeaderEpoch) -> Result<(), LedgerError> {
        self.run(move |connection| lease_rows::resign(connection, epoch)).await
    }
}

#[async_trait]
impl History for SqliteLedger {
    async fn build(&self, key: &BuildKey) -> Result<Option<BuildRecord>, LedgerError> {
        let key = key.clone();
        self.run(move |connection| build_rows::build(connection, &key)).await
    }

    async fn builds(&self, query: &BuildQuery) -> Result<Vec<BuildRecord>, LedgerError> {
        let query = query.clone();
        self.run(move |connection| build_rows::builds(connection, &query)).await
    }

    async fn deploys(
        &self,
        account: &AccountId,
        project: &ProjectId,
        context: &DeployContext,
    ) -> Result<Vec<Deploy>, LedgerError> {
        let (account, project, context) = (account.clone(), project.clone(), context.clone());
        self.run(move |connection| deploy_rows::deploys(connection, &account, &project, &context)).await
    }

    async fn reactivate(&self, key: &BuildKey) -> Result<(), LedgerError> {
        let (key, now) = (key.clone(), self.store.clock.now());
        self.run(move |connection| deploy_rows::reactivate(connection, &key, now)).await
    }
}
