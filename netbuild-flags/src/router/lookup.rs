//! The attributes of the account and project of a build, which carries none.

use std::fmt::Debug;
use std::sync::Arc;

use netbuild_core::model::{AccountId, ProjectId};

use crate::Attributes;

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

impl AttributeLookup for NoAttributes {
    fn of_account(&self, _account: &AccountId) -> Option<Arc<Attributes>> {
        None
    }

    fn of_project(&self, _account: &AccountId, _project: &ProjectId) -> Option<Arc<Attributes>> {
        None
    }
}
