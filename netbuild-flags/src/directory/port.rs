//! The port of a directory.

use std::fmt::Debug;

use async_trait::async_trait;
use netbuild_core::model::{AccountId, ProjectId};

use super::DirectoryError;
use crate::Attributes;
use crate::subject::{Subject, SubjectProject};

/// All accounts and projects that flags could be asked for.
///
/// # Contract
/// - `page` tells the accounts that come after a given one, each with all its projects, in an order that is the same for
///   every page. It tells no more than `max`, which is at least 1, and none only at the end.
/// - An account that is there from the first page to the last is told once. One that comes or goes meanwhile may be
///   told or not.
/// - Both may be dropped at any point.
///
/// Pages go on after an account and not after a number of rows, so that a page costs the same at the end as at the
/// beginning.
#[async_trait]
pub trait Directory: Debug + Send + Sync + 'static {
    /// The accounts after `after`, or the first ones.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn page(&self, after: Option<&AccountId>, max: usize) -> Result<Vec<DirectoryAccount>, DirectoryError>;

    /// How many accounts there are, for progress; `None` where that would cost too much.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn size(&self) -> Result<Option<u64>, DirectoryError>;
}

/// An account of a directory.
#[derive(Clone, Debug, PartialEq)]
pub struct DirectoryAccount {
    /// Its id.
    pub account: AccountId,
    /// What groups look at as `account.…`.
    pub attributes: Attributes,
    /// Its projects, each once.
    pub projects: Vec<DirectoryProject>,
}

/// A project of a directory.
#[derive(Clone, Debug, PartialEq)]
pub struct DirectoryProject {
    /// Its name within its account.
    pub project: ProjectId,
    /// What groups look at as `project.…`.
    pub attributes: Attributes,
}

impl DirectoryAccount {
    /// The account as such.
    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject::account(&self.account).with_account_attributes(&self.attributes)
    }

    /// Each of its projects. The account is hashed once for all.
    pub(crate) fn project_subjects(&self) -> impl Iterator<Item = Subject<'_>> {
        let account = self.subject();
        self.projects.iter().map(move |DirectoryProject { project, attributes }| Subject {
            project: Some(SubjectProject::new(account.account_hash, project, attributes)),
            ..account
        })
    }
}
