//! A directory in a PostgreSQL database.

use std::iter::once;

use async_trait::async_trait;
use netbuild_core::model::AccountId;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row};

use super::rows::{Page, Statements, unanswered, unreadable};
use super::{Directory, DirectoryAccount, DirectoryError, DirectoryQueries};

/// The accounts and projects of a host in its PostgreSQL database, which is only read.
#[derive(Debug)]
pub struct PostgresDirectory {
    client: Client,
    statements: Statements,
}

impl PostgresDirectory {
    /// Reads by a connection of the host, who knows how its servers are reached and drives it: a replica will do, and a
    /// role that may only read. The queries are first run when a page is asked for.
    pub fn new(client: Client, queries: &DirectoryQueries) -> Self {
        PostgresDirectory { client, statements: Statements::new(queries, '$', "::text") }
    }
}

#[async_trait]
impl Directory for PostgresDirectory {
    async fn page(&self, after: Option<&AccountId>, max: usize) -> Result<Vec<DirectoryAccount>, DirectoryError> {
        let after_text = after.map(AccountId::as_str);
        let after_text = after_text.as_ref().map(|after| -> &(dyn ToSql + Sync) { after });
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let parameters: Vec<&(dyn ToSql + Sync)> = once::<&(dyn ToSql + Sync)>(&max).chain(after_text).collect();
        let rows = self.client.query(self.statements.accounts(after), &parameters).await.map_err(explain)?;
        let mut page = Page::default();
        for row in &rows {
            page.add_account(column::<String>(row, 0)?, column(row, 1)?)?;
        }
        let Some(last) = page.last().map(|last| last.as_str().to_owned()) else { return Ok(Vec::new()) };
        let parameters: Vec<&(dyn ToSql + Sync)> = once::<&(dyn ToSql + Sync)>(&last).chain(after_text).collect();
        let rows = self.client.query(self.statements.projects(after), &parameters).await.map_err(explain)?;
        for row in &rows {
            page.add_project(column(row, 0)?, column(row, 1)?, column(row, 2)?)?;
        }
        Ok(page.into_accounts())
    }

    async fn size(&self) -> Result<Option<u64>, DirectoryError> {
        let row = self.client.query_one(&self.statements.size, &[]).await.map_err(explain)?;
        Ok(u64::try_from(column::<i64>(&row, 0)?).ok())
    }
}

fn column<'r, T: tokio_postgres::types::FromSql<'r>>(row: &'r Row, index: usize) -> Result<T, DirectoryError> {
    row.try_get(index).map_err(|error| unreadable("", error))
}

/// What the server said, where it said something: the error itself only tells that it did.
fn explain(error: Error) -> DirectoryError {
    match error.as_db_error() {
        Some(said) => unanswered(said.clone()),
        None => unanswered(error),
    }
}
