//! A directory that holds its accounts itself.

use std::collections::BTreeMap;
use std::ops::Bound;

use async_trait::async_trait;
use netbuild_core::model::{AccountId, ProjectId};

use super::{Directory, DirectoryAccount, DirectoryError, DirectoryProject};
use crate::Attributes;

/// A directory in memory: for tests, and for hosts whose accounts fit.
///
/// ```
/// use netbuild_core::model::{AccountId, ProjectId};
/// use netbuild_flags::directory::MemoryDirectory;
/// use netbuild_flags::{Attributes, Value};
///
/// let mut directory = MemoryDirectory::default();
/// let acme = AccountId::new("acme")?;
/// directory.insert_account(acme.clone(), Attributes::new().with("plan", Value::Text("team".into())));
/// directory.insert_project(acme, ProjectId::new("site")?, Attributes::new());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryDirectory(BTreeMap<AccountId, Known>);

#[derive(Clone, Debug, Default)]
struct Known {
    attributes: Attributes,
    projects: BTreeMap<ProjectId, Attributes>,
}

impl MemoryDirectory {
    /// Adds an account, or gives it other attributes; its projects stay.
    pub fn insert_account(&mut self, account: AccountId, attributes: Attributes) {
        self.0.entry(account).or_default().attributes = attributes;
    }

    /// Adds a project, or gives it other attributes. An account that is not known is added without attributes.
    pub fn insert_project(&mut self, account: AccountId, project: ProjectId, attributes: Attributes) {
        self.0.entry(account).or_default().projects.insert(project, attributes);
    }
}

#[async_trait]
impl Directory for MemoryDirectory {
    async fn page(&self, after: Option<&AccountId>, max: usize) -> Result<Vec<DirectoryAccount>, DirectoryError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let project = |(project, attributes): (&ProjectId, &Attributes)| DirectoryProject {
            project: project.clone(),
            attributes: attributes.clone(),
        };
        let account = |(account, known): (&AccountId, &Known)| DirectoryAccount {
            account: account.clone(),
            attributes: known.attributes.clone(),
            projects: known.projects.iter().map(project).collect(),
        };
        Ok(self.0.range((start, Bound::Unbounded)).take(max).map(account).collect())
    }

    async fn size(&self) -> Result<Option<u64>, DirectoryError> {
        Ok(u64::try_from(self.0.len()).ok())
    }
}
