//! Pages of rows: the same for every database.

use std::collections::HashMap;
use std::error::Error;

use netbuild_core::model::{AccountId, ProjectId};

use super::{DirectoryAccount, DirectoryError, DirectoryProject, DirectoryQueries};
use crate::Attributes;

/// The statements of a directory. Their parameters are numbered: a page of accounts takes its length, then the account
/// after which it begins; the projects of a page take the last account, then the one after which the page begins.
#[derive(Clone, Debug)]
pub(super) struct Statements {
    first_accounts: String,
    next_accounts: String,
    first_projects: String,
    next_projects: String,
    pub(super) size: String,
}

impl Statements {
    /// `mark` is what the database writes before the number of a parameter; `text` what follows a value that it shall
    /// answer as text.
    pub(super) fn new(queries: &DirectoryQueries, mark: char, text: &str) -> Self {
        let DirectoryQueries { accounts, projects } = queries;
        let accounts_of = |after: &str| {
            let select = format!("SELECT account, attributes{text} FROM ({accounts}) AS of_host");
            format!("{select} {after} ORDER BY account LIMIT {mark}1")
        };
        let projects_of = |after: &str| {
            let select = format!("SELECT account, project, attributes{text} FROM ({projects}) AS of_host");
            format!("{select} WHERE account <= {mark}1 {after}")
        };
        Statements {
            // No condition on the first page: in SQLite a number is below every text, and accounts that are numbers would
            // be missing without a word.
            first_accounts: accounts_of(""),
            next_accounts: accounts_of(&format!("WHERE account > {mark}2")),
            first_projects: projects_of(""),
            next_projects: projects_of(&format!("AND account > {mark}2")),
            size: format!("SELECT count(*) FROM ({accounts}) AS of_host"),
        }
    }

    pub(super) fn accounts(&self, after: Option<&AccountId>) -> &str {
        if after.is_some() { &self.next_accounts } else { &self.first_accounts }
    }

    pub(super) fn projects(&self, after: Option<&AccountId>) -> &str {
        if after.is_some() { &self.next_projects } else { &self.first_projects }
    }
}

/// A page that is being put together.
#[derive(Default)]
pub(super) struct Page {
    accounts: Vec<DirectoryAccount>,
    places: HashMap<String, usize>,
}

impl Page {
    pub(super) fn add_account(&mut self, account: String, attributes: Option<&str>) -> Result<(), DirectoryError> {
        let id = AccountId::new(&account).map_err(|error| unreadable(&account, error))?;
        let attributes = read(attributes).map_err(|error| unreadable(&account, error))?;
        self.accounts.push(DirectoryAccount { account: id, attributes, projects: Vec::new() });
        self.places.insert(account, self.accounts.len() - 1);
        Ok(())
    }

    /// Adds a project to its account, if that is on the page.
    pub(super) fn add_project(
        &mut self,
        account: &str,
        project: &str,
        attributes: Option<&str>,
    ) -> Result<(), DirectoryError> {
        let Some(place) = self.places.get(account) else { return Ok(()) };
        let row = || format!("{account}/{project}");
        let id = ProjectId::new(project).map_err(|error| unreadable(row(), error))?;
        let attributes = read(attributes).map_err(|error| unreadable(row(), error))?;
        self.accounts[*place].projects.push(DirectoryProject { project: id, attributes });
        Ok(())
    }

    /// The last account, after which the next page begins.
    pub(super) fn last(&self) -> Option<&AccountId> {
        self.accounts.last().map(|last| &last.account)
    }

    pub(super) fn into_accounts(self) -> Vec<DirectoryAccount> {
        self.accounts
    }
}

fn read(attributes: Option<&str>) -> Result<Attributes, serde_json::Error> {
    match attributes {
        None | Some("{}") => Ok(Attributes::new()),
        Some(text) => Attributes::from_json(text),
    }
}

pub(super) fn unreadable(row: impl Into<String>, problem: impl Error + Send + Sync + 'static) -> DirectoryError {
    DirectoryError::Unreadable { row: row.into(), problem: Box::new(problem) }
}

pub(super) fn unanswered(error: impl Error + Send + Sync + 'static) -> DirectoryError {
    DirectoryError::Unanswered(Box::new(error))
}
