//! The files and manifests of one project in the object store.

use std::sync::Arc;

use netbuild_core::model::{AccountId, Digest, ProjectId};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

/// One project's part of the store. Nothing else can be named through it.
#[derive(Clone, Debug)]
pub(super) struct TenantStore {
    pub(super) store: Arc<dyn ObjectStore>,
    prefix: String,
}

/// What the keys of everything of one project begin with.
pub(super) fn tenant_prefix(account: &AccountId, project: &ProjectId) -> String {
    format!("{}/{}", Digest::of(account.as_str()), Digest::of(project.as_str()))
}

impl TenantStore {
    pub(super) fn new(store: &Arc<dyn ObjectStore>, account: &AccountId, project: &ProjectId) -> Self {
        TenantStore { store: Arc::clone(store), prefix: tenant_prefix(account, project) }
    }

    /// The key of a file.
    pub(super) fn file(&self, digest: &Digest) -> Path {
        let digest = digest.to_string();
        Path::from(format!("{}/files/{}/{digest}", self.prefix, &digest[..2]))
    }

    /// The key of a manifest.
    pub(super) fn manifest(&self, digest: &Digest) -> Path {
        Path::from(format!("{}/manifests/{digest}.json", self.prefix))
    }

    /// The size of a file, or `None` when it is not there.
    pub(super) async fn file_bytes(&self, digest: &Digest) -> object_store::Result<Option<u64>> {
        match self.store.head(&self.file(digest)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
