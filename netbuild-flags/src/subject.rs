//! For whom a flag is asked.

use netbuild_core::model::{AccountId, ProjectId};

use crate::Attributes;
use crate::bucket::{account_hash, project_hash};

/// For whom a flag is asked: an account, and one of its projects where the question is about one.
///
/// It computes the hashes of its ids once; make it once for all flags that are asked for it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub(crate) account: &'a AccountId,
    pub(crate) account_hash: u64,
    pub(crate) account_attributes: &'a Attributes,
    pub(crate) project: Option<SubjectProject<'a>>,
}

/// The project of a subject.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SubjectProject<'a> {
    pub(crate) id: &'a ProjectId,
    pub(crate) hash: u64,
    pub(crate) attributes: &'a Attributes,
}

impl<'a> Subject<'a> {
    /// An account as such. Rules about projects do not concern it.
    #[inline]
    pub fn account(account: &'a AccountId) -> Self {
        Subject { account, account_hash: account_hash(account), account_attributes: Attributes::NONE, project: None }
    }

    /// A project of an account.
    #[inline]
    pub fn project(account: &'a AccountId, project: &'a ProjectId) -> Self {
        let subject = Subject::account(account);
        let project = SubjectProject::new(subject.account_hash, project, Attributes::NONE);
        Subject { project: Some(project), ..subject }
    }

    /// With what groups look at as `account.…`.
    #[must_use]
    #[inline]
    pub fn with_account_attributes(self, attributes: &'a Attributes) -> Self {
        Subject { account_attributes: attributes, ..self }
    }

    /// With what groups look at as `project.…`; nothing for an account as such.
    #[must_use]
    #[inline]
    pub fn with_project_attributes(self, attributes: &'a Attributes) -> Self {
        Subject { project: self.project.map(|project| SubjectProject { attributes, ..project }), ..self }
    }

    /// The account.
    pub fn account_id(&self) -> &'a AccountId {
        self.account
    }

    /// The project, if it is about one.
    pub fn project_id(&self) -> Option<&'a ProjectId> {
        self.project.map(|project| project.id)
    }
}

impl<'a> SubjectProject<'a> {
    /// A project of the account with this hash.
    pub(crate) fn new(account_hash: u64, id: &'a ProjectId, attributes: &'a Attributes) -> Self {
        SubjectProject { id, hash: project_hash(account_hash, id), attributes }
    }
}
