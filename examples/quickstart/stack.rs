//! The parts of netbuild, wired for one process.

use std::path::PathBuf;

use netbuild_core::model::{Build, BuildRecord};

use crate::secrets::GivenSecrets;

/// What the parts need.
#[derive(Debug)]
pub(crate) struct Stack {
    /// The folder of ledger, workspaces and logs.
    pub(crate) state: PathBuf,
    /// The folder that deploys go to.
    pub(crate) origin: PathBuf,
    /// The secrets that builds may refer to.
    pub(crate) secrets: GivenSecrets,
    /// What people call the builds, in their order.
    pub(crate) titles: Vec<String>,
}

/// Why the builds could not be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StackError {
    /// The scheduler is not part of the project yet.
    #[error(
        "cannot build {builds} builds yet ({titles}): the scheduler is not wired; its folders would be {state:?} and {origin:?}"
    )]
    NotWired { builds: usize, titles: String, state: PathBuf, origin: PathBuf },
}

impl Stack {
    /// Carries the builds out and answers their records when all are over.
    ///
    /// # Errors
    /// [`StackError`].
    pub(crate) async fn deploy(self, builds: Vec<Build>) -> Result<Vec<BuildRecord>, StackError> {
        let Stack { state, origin, secrets, titles } = self;
        drop(secrets);
        Err(StackError::NotWired { builds: builds.len(), titles: titles.join(", "), state, origin })
    }
}
