//! The reading side of the store: what runners uploaded, for the host that serves it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use netbuild_core::model::{AccountId, Digest, Manifest, ManifestFile, ProjectId, PublishPath};
use object_store::{ObjectStore, ObjectStoreExt};
use sha2::{Digest as _, Sha256};
use tokio::fs;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::tenant_store::TenantStore;

/// The longest wait for the store, for each answer and each piece of a file.
const DEADLINE: Duration = Duration::from_secs(30);

/// How many files are written at once.
const WRITES: usize = 8;

/// A file's bytes, piece by piece.
pub type FileStream = BoxStream<'static, Result<Bytes, OriginError>>;

/// Reads deploys from the store that a gateway fills.
#[derive(Clone, Debug)]
pub struct Origin {
    store: Arc<dyn ObjectStore>,
}

impl Origin {
    /// An origin on the gateway's store.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Origin { store }
    }

    /// A manifest, its digest checked.
    ///
    /// # Errors
    /// [`OriginError`].
    pub async fn manifest(
        &self,
        account: &AccountId,
        project: &ProjectId,
        digest: &Digest,
    ) -> Result<Manifest, OriginError> {
        let tenant = TenantStore::new(&self.store, account, project);
        let bytes: Vec<Bytes> = get(&tenant, tenant.manifest(digest), *digest).await?.try_collect().await?;
        let bytes = bytes.concat();
        if Digest::of(&bytes) != *digest {
            return Err(OriginError::Damaged(*digest));
        }
        Manifest::from_bytes(&bytes).map_err(|_| OriginError::Damaged(*digest))
    }

    /// A file's bytes as the store has them; its digest was checked when it was taken. The stream has a deadline for each
    /// piece, not for the whole.
    ///
    /// # Errors
    /// [`OriginError`], also within the stream.
    pub async fn file(
        &self,
        account: &AccountId,
        project: &ProjectId,
        digest: &Digest,
    ) -> Result<FileStream, OriginError> {
        let tenant = TenantStore::new(&self.store, account, project);
        get(&tenant, tenant.file(digest), *digest).await
    }

    /// Writes a deploy as the folder `into`, which must not exist: it is there whole or not at all. Every file's digest and
    /// size are checked. Folders above it are made.
    ///
    /// It writes into `.<name>.partial` beside `into` and renames that at the end; what an earlier call left there is
    /// removed, so make one call at a time for one folder. Files are not synced to disk: a folder written shortly before
    /// a power cut should be removed and written again.
    ///
    /// # Errors
    /// [`OriginError`]; `into` is then not there, except with [`OriginError::Exists`].
    pub async fn materialize(
        &self,
        account: &AccountId,
        project: &ProjectId,
        manifest: &Digest,
        into: &Path,
    ) -> Result<Manifest, OriginError> {
        if fs::try_exists(into).await? {
            return Err(OriginError::Exists(into.to_owned()));
        }
        let partial = partial_folder(into)?;
        let manifest = self.manifest(account, project, manifest).await?;
        remove_folder(&partial).await?;
        fs::create_dir_all(&partial).await?;
        let tenant = TenantStore::new(&self.store, account, project);
        let written = write_all(&tenant, &manifest, &partial).await;
        if let Err(error) = written {
            // The first error is the one to tell; the next call removes what is left.
            let _ = remove_folder(&partial).await;
            return Err(error);
        }
        fs::rename(&partial, into).await?;
        Ok(manifest)
    }
}

/// Why something could not be read from the origin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// The project has no such file or manifest.
    #[error("the project has nothing with the digest {0}: it was never uploaded, or removed from the store")]
    NotFound(Digest),
    /// What the store has under this digest is something else. Restore it, or build again.
    #[error("what the store has under the digest {0} is something else: it was damaged")]
    Damaged(Digest),
    /// The folder to write is there already. When an earlier call for the same deploy made it, it is whole.
    #[error("{} is there already: choose another folder or remove it", .0.display())]
    Exists(PathBuf),
    /// The store failed: try again.
    #[error("the object store is not available")]
    Store(#[source] object_store::Error),
    /// The store gave no answer in time: try again.
    #[error("the object store gave no answer within {} s", DEADLINE.as_secs())]
    NoAnswer,
    /// The folder cannot be written.
    #[error("the folder cannot be written")]
    Folder(#[from] std::io::Error),
}

async fn get(tenant: &TenantStore, key: object_store::path::Path, digest: Digest) -> Result<FileStream, OriginError> {
    let found = timeout(DEADLINE, tenant.store.get(&key)).await.map_err(|_| OriginError::NoAnswer)?;
    let pieces = found.map_err(|error| match error {
        object_store::Error::NotFound { .. } => OriginError::NotFound(digest),
        error => OriginError::Store(error),
    })?;
    let pieces = stream::try_unfold(pieces.into_stream(), |mut pieces| async move {
        let piece = timeout(DEADLINE, pieces.next()).await.map_err(|_| OriginError::NoAnswer)?;
        Ok(piece.transpose().map_err(OriginError::Store)?.map(|piece| (piece, pieces)))
    });
    Ok(pieces.boxed())
}

async fn write_all(tenant: &TenantStore, manifest: &Manifest, folder: &Path) -> Result<(), OriginError> {
    stream::iter(&manifest.files)
        .map(Ok)
        .try_for_each_concurrent(WRITES, |(path, file)| write_file(tenant, folder, path, file))
        .await
}

async fn write_file(
    tenant: &TenantStore,
    folder: &Path,
    path: &PublishPath,
    file: &ManifestFile,
) -> Result<(), OriginError> {
    let path = folder.join(path.as_str());
    if let Some(above) = path.parent() {
        fs::create_dir_all(above).await?;
    }
    let mut pieces = get(tenant, tenant.file(&file.digest), file.digest).await?;
    let mut to = fs::File::create_new(&path).await?;
    let mut hash = Sha256::new();
    let mut bytes = 0;
    while let Some(piece) = pieces.try_next().await? {
        hash.update(&piece);
        bytes += piece.len() as u64;
        to.write_all(&piece).await?;
    }
    to.flush().await?;
    if bytes != file.bytes || Digest::from_bytes(hash.finalize().into()) != file.digest {
        return Err(OriginError::Damaged(file.digest));
    }
    Ok(())
}

fn partial_folder(into: &Path) -> Result<PathBuf, OriginError> {
    let name = into.file_name().ok_or_else(|| OriginError::Exists(into.to_owned()))?;
    let mut partial = std::ffi::OsString::from(".");
    partial.push(name);
    partial.push(".partial");
    Ok(into.with_file_name(partial))
}

async fn remove_folder(folder: &Path) -> Result<(), OriginError> {
    match fs::remove_dir_all(folder).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}
