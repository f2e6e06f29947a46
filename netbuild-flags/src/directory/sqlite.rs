//! A directory in a SQLite file.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use netbuild_core::model::AccountId;
use rusqlite::{Connection, OpenFlags, params, params_from_iter};

use super::rows::{Page, Statements, unanswered, unreadable};
use super::{Directory, DirectoryAccount, DirectoryError, DirectoryQueries};

/// The accounts and projects of a host in its SQLite file, which is only read.
#[derive(Clone, Debug)]
pub struct SqliteDirectory {
    connection: Arc<Mutex<Connection>>,
    statements: Statements,
}

impl SqliteDirectory {
    /// Opens the file. The queries are first run when a page is asked for.
    ///
    /// # Errors
    /// [`DirectoryError::Unanswered`]: there is no such file, or it is not SQLite's.
    pub fn open(path: impl AsRef<Path>, queries: &DirectoryQueries) -> Result<Self, DirectoryError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(unanswered)?;
        let statements = Statements::new(queries, '?', "");
        Ok(SqliteDirectory { connection: Arc::new(Mutex::new(connection)), statements })
    }

    /// Runs a question on a thread that may wait for the disk.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection, &Statements) -> Result<T, DirectoryError> + Send + 'static,
    ) -> Result<T, DirectoryError> {
        let SqliteDirectory { connection, statements } = self.clone();
        let answer = tokio::task::spawn_blocking(move || {
            question(&connection.lock().unwrap_or_else(PoisonError::into_inner), &statements)
        });
        answer.await.map_err(unanswered)?
    }
}

#[async_trait]
impl Directory for SqliteDirectory {
    async fn page(&self, after: Option<&AccountId>, max: usize) -> Result<Vec<DirectoryAccount>, DirectoryError> {
        let after = after.cloned();
        self.ask(move |connection, statements| read_page(connection, statements, after.as_ref(), max)).await
    }

    async fn size(&self) -> Result<Option<u64>, DirectoryError> {
        self.ask(|connection, statements| {
            let count: i64 = connection.query_row(&statements.size, [], |row| row.get(0)).map_err(unanswered)?;
            Ok(u64::try_from(count).ok())
        })
        .await
    }
}

fn read_page(
    connection: &Connection,
    statements: &Statements,
    after: Option<&AccountId>,
    max: usize,
) -> Result<Vec<DirectoryAccount>, DirectoryError> {
    let mut page = Page::default();
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let mut accounts = connection.prepare_cached(statements.accounts(after)).map_err(unanswered)?;
    let mut rows = match after {
        Some(after) => accounts.query(params![max, after.as_str()]),
        None => accounts.query([max]),
    }
    .map_err(unanswered)?;
    while let Some(row) = rows.next().map_err(unanswered)? {
        let account: String = row.get(0).map_err(|error| unreadable("", error))?;
        let attributes = row.get_ref(1).map_err(unanswered)?.as_str_or_null();
        let attributes = attributes.map_err(|error| unreadable(account.as_str(), error))?;
        page.add_account(account, attributes)?;
    }
    let Some(last) = page.last().cloned() else { return Ok(Vec::new()) };
    let mut projects = connection.prepare_cached(statements.projects(after)).map_err(unanswered)?;
    let between = std::iter::once(&last).chain(after).map(AccountId::as_str);
    let mut rows = projects.query(params_from_iter(between)).map_err(unanswered)?;
    while let Some(row) = rows.next().map_err(unanswered)? {
        let text = |column| row.get_ref(column).map_err(unanswered)?.as_str().map_err(|error| unreadable("", error));
        let (account, project) = (text(0)?, text(1)?);
        let attributes = row.get_ref(2).map_err(unanswered)?.as_str_or_null();
        let attributes = attributes.map_err(|error| unreadable(account, error))?;
        page.add_project(account, project, attributes)?;
    }
    Ok(page.into_accounts())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_found_by_the_index_of_the_host() {
        let connection = Connection::open_in_memory().unwrap();
        let schema = "
            CREATE TABLE customers (name TEXT PRIMARY KEY, plan TEXT) WITHOUT ROWID;
            CREATE TABLE sites (customer TEXT, name TEXT, PRIMARY KEY (customer, name)) WITHOUT ROWID;
            CREATE VIEW flag_accounts AS SELECT name AS account, json_object('plan', plan) AS attributes FROM customers;
            CREATE VIEW flag_projects AS SELECT customer AS account, name AS project, NULL AS attributes FROM sites;";
        connection.execute_batch(schema).unwrap();
        let statements = Statements::new(&DirectoryQueries::default(), '?', "");
        let after = AccountId::new("acme").unwrap();
        for statement in [statements.accounts(Some(&after)), statements.projects(Some(&after))] {
            let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
            let steps = plan.query_map(params![10, "acme"], |row| row.get(3)).unwrap();
            let steps: Vec<String> = steps.collect::<Result<_, _>>().unwrap();
            assert!(steps.len() == 1 && steps[0].starts_with("SEARCH"), "{statement}: {steps:?}");
        }
    }
}
