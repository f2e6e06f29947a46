//! The port of a source.

use std::error::Error;
use std::fmt::Debug;

use async_trait::async_trait;

use crate::Definitions;

/// Where definitions come from: a file, a store.
///
/// # Contract
/// - `load` answers the newest definitions whole, or an error; never a part of them.
/// - `changed` returns when there may be others than `load` last answered, within a second of that; it may return
///   without reason. It never fails: a source that is out of reach returns after a pause, and `load` tells why.
/// - Both may be dropped at any point, and nothing is lost.
#[async_trait]
pub trait Source: Debug + Send + Sync + 'static {
    /// The newest definitions.
    ///
    /// # Errors
    /// [`SourceError`].
    async fn load(&self) -> Result<Loaded, SourceError>;

    /// Waits until there may be newer ones.
    async fn changed(&self);
}

/// Definitions as a source has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The definitions.
    pub definitions: Definitions,
    /// Their number, where the source counts its changes.
    pub revision: Option<u64>,
}

/// Why a source has no definitions to give.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It is out of reach; the same question may be answered later.
    #[error("the source of the flags is out of reach: {0}")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// What it has is no text of definitions.
    #[error("the definitions cannot be read: {0}")]
    Unreadable(#[source] Box<dyn Error + Send + Sync>),
}
