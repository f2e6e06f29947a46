//! The ledger over the database.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::model::{
    AccountId, AttemptId, BuildKey, BuildRecord, DeployContext, HolderId, LeaderEpoch, NameKey, ProjectId, Rank,
};
use netbuild_core::port::{
    Activation, Admission, Batch, BuildQuery, Cursor, Deploy, History, Lead, LeaderLease, Ledger, LedgerError, Message,
};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::error::{Fault, Stop};
use super::handle::{Handle, one};
use super::session::Values;
use super::{history_rows, lease_rows, ledger_rows, site_rows};
use crate::value::{count, int};

/// The ledger in a schema of a PostgreSQL database.
///
/// The lease runs by the database's clock, whatever the clocks of those who ask say. Every change that was appended is kept
/// in the table `ledger_change` as well, for people.
#[derive(Clone, Debug)]
pub struct PostgresLedger {
    handle: Arc<Handle>,
}

impl PostgresLedger {
    pub(super) fn new(handle: Arc<Handle>) -> Self {
        PostgresLedger { handle }
    }

    fn told(&self, stop: impl Into<Stop<LedgerError>>) -> LedgerError {
        self.handle.told(stop)
    }

    async fn read<T>(
        &self,
        sql: &'static str,
        values: Values<'_>,
        read: impl Fn(&[Row]) -> Result<T, Fault>,
    ) -> Result<T, LedgerError> {
        let rows = self.handle.read(sql, values).await;
        rows.and_then(|rows| read(&rows)).map_err(|fault| self.told(fault))
    }
}

/// Runs steps in a transaction of a ledger.
macro_rules! transact {
    ($ledger:ident, |$transaction:ident| $steps:expr) => {{
        let mut transaction = $ledger.handle.transaction().await.map_err(|fault| $ledger.told(fault))?;
        let $transaction = &mut transaction;
        let found: Result<_, Stop<LedgerError>> = async { $steps }.await;
        transaction.end(found).await.map_err(|stop| $ledger.told(stop))
    }};
}

#[async_trait]
impl LeaderLease for PostgresLedger {
    async fn lead(&self, holder: &HolderId, ttl: Duration) -> Result<Lead, LedgerError> {
        transact!(self, |transaction| {
            let (lease, now) = lease_rows::lock(transaction).await?;
            let (lead, lease) = lease.lead(holder, ttl, now);
            lease_rows::write(transaction, &lease).await?;
            Ok(lead)
        })
    }

    async fn resign(&self, epoch: LeaderEpoch) -> Result<(), LedgerError> {
        transact!(self, |transaction| {
            let (mut lease, _) = lease_rows::lock(transaction).await?;
            if lease.epoch == epoch {
                lease.holder = None;
                lease_rows::write(transaction, &lease).await?;
            }
            Ok(())
        })
    }
}

#[async_trait]
impl Ledger for PostgresLedger {
    async fn name_key(&self) -> Result<NameKey, LedgerError> {
        self.handle.write(ledger_rows::MAKE_NAME_KEY, &[]).await.map_err(|fault| self.told(fault))?;
        let found = self.handle.read(ledger_rows::NAME_KEY, &[]).await;
        let row = found.and_then(|rows| one(rows, "ledger_name_key")).map_err(|fault| self.told(fault))?;
        let bytes: Vec<u8> = row.get(0);
        let short = |_| self.told(Fault::Unreadable("the name key does not have 32 bytes".to_owned()));
        Ok(NameKey::new(bytes.try_into().map_err(short)?))
    }

    async fn cursors(&self) -> Result<Vec<Cursor>, LedgerError> {
        self.read(ledger_rows::CURSORS, &[], |rows| rows.iter().map(ledger_rows::cursor).collect()).await
    }

    async fn open_builds(&self, after: Rank, max: usize) -> Result<Vec<BuildRecord>, LedgerError> {
        self.read(history_rows::OPEN, &[&int(after.0), &count(max)], history_rows::records).await
    }

    async fn admit(&self, epoch: LeaderEpoch, batch: &[Message]) -> Result<Vec<Admission>, LedgerError> {
        transact!(self, |transaction| ledger_rows::admit(transaction, epoch, batch).await)
    }

    async fn append(&self, batch: &Batch) -> Result<(), LedgerError> {
        transact!(self, |transaction| ledger_rows::append(transaction, batch).await)
    }

    async fn activate(&self, epoch: LeaderEpoch, attempt: &AttemptId) -> Result<Activation, LedgerError> {
        transact!(self, |transaction| site_rows::activate(transaction, epoch, attempt).await)
    }
}

#[async_trait]
impl History for PostgresLedger {
    async fn build(&self, key: &BuildKey) -> Result<Option<BuildRecord>, LedgerError> {
        let (id, account, project) = (*key.build.as_uuid(), key.account.as_str(), key.project.as_str());
        let found = self.read(history_rows::BUILD, &[&id, &account, &project], history_rows::records).await?;
        Ok(found.into_iter().next())
    }

    async fn builds(&self, query: &BuildQuery) -> Result<Vec<BuildRecord>, LedgerError> {
        let (select, values) = history_rows::select(query);
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
        let rows = self.handle.read_once(&select, &values).await;
        rows.and_then(|rows| history_rows::records(&rows)).map_err(|fault| self.told(fault))
    }

    async fn deploys(
        &self,
        account: &AccountId,
        project: &ProjectId,
        context: &DeployContext,
    ) -> Result<Vec<Deploy>, LedgerError> {
        let site = site_rows::Site::new(account, project, context);
        let values: Values<'_> = &[&site.account.as_str(), &site.project.as_str(), &site.context];
        self.read(site_rows::DEPLOYS, values, |rows| rows.iter().map(site_rows::deploy).collect()).await
    }

    async fn reactivate(&self, key: &BuildKey) -> Result<(), LedgerError> {
        transact!(self, |transaction| site_rows::reactivate(transaction, key).await)
    }
}
