//! Sets of accounts and projects that are asked by hashes that the subject has.

use std::collections::HashMap;

use netbuild_core::model::{AccountId, ProjectId};

use crate::definition::ProjectOf;
use crate::key::Hashed;
use crate::subject::Subject;

use crate::bucket::{account_hash, project_hash};

/// A set of accounts.
#[derive(Debug, Default)]
pub(crate) struct Accounts(HashMap<u64, Vec<AccountId>, Hashed>);

impl Accounts {
    pub(crate) fn holds(&self, subject: &Subject<'_>) -> bool {
        // Most sets are empty; and equal hashes of two ids must not make them one.
        !self.0.is_empty() && self.0.get(&subject.account_hash).is_some_and(|ids| ids.contains(subject.account))
    }
}

impl<'a> FromIterator<&'a AccountId> for Accounts {
    fn from_iter<I: IntoIterator<Item = &'a AccountId>>(ids: I) -> Self {
        let mut set = Accounts::default();
        for id in ids {
            set.0.entry(account_hash(id)).or_default().push(id.clone());
        }
        set
    }
}

/// A set of projects.
#[derive(Debug, Default)]
pub(crate) struct Projects(HashMap<u64, Vec<(AccountId, ProjectId)>, Hashed>);

impl Projects {
    pub(crate) fn holds(&self, subject: &Subject<'_>) -> bool {
        let Some(project) = subject.project else { return false };
        let same = |(account, id): &(AccountId, ProjectId)| account == subject.account && id == project.id;
        !self.0.is_empty() && self.0.get(&project.hash).is_some_and(|ids| ids.iter().any(same))
    }
}

impl<'a> FromIterator<&'a ProjectOf> for Projects {
    fn from_iter<I: IntoIterator<Item = &'a ProjectOf>>(ids: I) -> Self {
        let mut set = Projects::default();
        for ProjectOf { account, project } in ids {
            let hash = project_hash(account_hash(account), project);
            set.0.entry(hash).or_default().push((account.clone(), project.clone()));
        }
        set
    }
}
