//! The attributes of the account and project of a build, which carries none.

use std::fmt::Debug;
use std::sync::Arc;

use netbuild_core::model::{AccountId, Build, ProjectId};

use crate::{Attributes, Subject};

/// What the host knows of accounts and projects, for groups to look at.
///
/// Routes ask it from the scheduler's task: it answers at once, from memory. `None` is what nothing is known of.
pub trait AttributeLookup: Debug + Send + Sync + 'static {
    /// The attributes of an account.
    fn of_account(&self, account: &AccountId) -> Option<Arc<Attributes>>;

    /// The attributes of a project.
    fn of_project(&self, account: &AccountId, project: &ProjectId) -> Option<Arc<Attributes>>;
}

/// Knows nothing of anybody: no comparison of a group holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAttributes;

/// The attributes of the account and the project of a build, as they were looked up.
#[derive(Debug)]
pub(crate) struct LookedUp<'b> {
    build: &'b Build,
    of_account: Option<Arc<Attributes>>,
    of_project: Option<Arc<Attributes>>,
}

impl<'b> LookedUp<'b> {
    pub(crate) fn new(build: &'b Build, attributes: &dyn AttributeLookup) -> Self {
        let of_account = attributes.of_account(&build.account);
        LookedUp { build, of_account, of_project: attributes.of_project(&build.account, &build.project) }
    }

    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject::project(&self.build.account, &self.build.project)
            .with_account_attributes(self.of_account.as_deref().unwrap_or(Attributes::NONE))
            .with_project_attributes(self.of_project.as_deref().unwrap_or(Attributes::NONE))
    }
}

impl AttributeLookup for NoAttributes {
    fn of_account(&self, _account: &AccountId) -> Option<Arc<Attributes>> {
        None
    }

    fn of_project(&self, _account: &AccountId, _project: &ProjectId) -> Option<Arc<Attributes>> {
        None
    }
}
