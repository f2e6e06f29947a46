//! The port of a store.

use std::collections::BTreeMap;
use std::error::Error;

use async_trait::async_trait;
use netbuild_core::model::Timestamp;

use super::{Change, Changed, Edit};
use crate::source::Source;
use crate::{DefinitionError, Definitions, FlagKey};

/// Definitions with their history.
///
/// # Contract
/// - Each change makes one revision, numbered from 1 without gaps; before the first there is nothing, at revision 0.
/// - A change is made whole or not at all. Definitions that no [`Snapshot`](crate::Snapshot) can be made of are refused.
/// - Changes at the same time make revisions one after another; none is lost.
/// - What was answered with Ok is kept, with all of its history.
#[async_trait]
pub trait Store: Source {
    /// Makes a change and answers the revision that it made; the newest one, if it changes nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn change(&self, change: Change) -> Result<u64, StoreError>;

    /// At most `max` revisions, the newest first, of those before a revision and of those that changed a flag, where
    /// either is named.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn history(
        &self,
        flag: Option<&FlagKey>,
        before: Option<u64>,
        max: usize,
    ) -> Result<Vec<Revision>, StoreError>;

    /// The definitions as they were at a revision.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn at(&self, revision: u64) -> Result<Definitions, StoreError>;

    /// When each flag was last changed.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn changed_at(&self) -> Result<BTreeMap<FlagKey, Timestamp>, StoreError>;

    /// Makes all definitions what they were at a revision, by a change of its own.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn revert(&self, to: u64, who: &str, why: &str) -> Result<u64, StoreError> {
        let definitions = self.at(to).await?;
        self.change(Change::new(who, why, vec![Edit::Replace(definitions)])).await
    }
}

/// A revision: what was changed at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Its number, from 1.
    pub number: u64,
    /// When it was made, by the store's clock.
    pub at: Timestamp,
    /// Who made it.
    pub who: String,
    /// Why.
    pub why: String,
    /// What it changed: attributes, groups and flags, each by name.
    pub changed: Vec<Changed>,
}

/// Why a store did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The definitions would be of no use to anybody.
    #[error("the change is refused: {0}")]
    Refused(#[source] DefinitionError),
    /// The change was thought out for another revision. Look at the newest and decide again.
    #[error("the change is for revision {expected}, and there is revision {current} by now")]
    Conflict {
        /// The revision that it was thought out for.
        expected: u64,
        /// The newest.
        current: u64,
    },
    /// Nobody makes the change.
    #[error("say who makes the change")]
    Anonymous,
    /// There is no such revision.
    #[error("there is no revision {0}")]
    NoRevision(u64),
    /// The store is out of reach, and nothing was changed.
    #[error("the store of the flags is out of reach: {0}")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The answer was lost: whether the change was made, the history tells.
    #[error("it is not known whether the change was made, see the history: {0}")]
    Unknown(#[source] Box<dyn Error + Send + Sync>),
    /// What is stored cannot be read.
    #[error("what is stored is damaged: {0}")]
    Damaged(#[source] Box<dyn Error + Send + Sync>),
}
