//! Taking a file.

use std::time::Duration;

use netbuild_core::model::Digest;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use super::body::Incoming;
use super::refusal::{Refusal, within};

/// The size of a part, in bytes: over the 5 MiB that stores ask for. A smaller file is stored in one call.
const PART_BYTES: usize = 8 << 20;

/// How long a store may take to forget an upload that failed.
const ABORT: Duration = Duration::from_secs(10);

/// Stores a body as the object `key`. Bytes that have another digest are never visible in the store.
pub(super) async fn store_file(
    store: &dyn ObjectStore,
    key: &Path,
    digest: Digest,
    body: Incoming,
    deadline: Duration,
) -> Result<(), Refusal> {
    let mut upload = None;
    let stored = within(deadline, put(store, key, digest, body, &mut upload)).await;
    if let (Err(_), Some(mut upload)) = (&stored, upload) {
        // Nothing is visible either way; a store that does not answer expires the parts later.
        let _ = timeout(ABORT, upload.abort()).await;
    }
    stored
}

/// A file of several parts leaves its upload in `upload`, so that the caller can abort it also after a deadline.
async fn put(
    store: &dyn ObjectStore,
    key: &Path,
    digest: Digest,
    mut body: Incoming,
    upload: &mut Option<Box<dyn MultipartUpload>>,
) -> Result<(), Refusal> {
    let mut part = body.part(PART_BYTES).await?;
    if part.len() < PART_BYTES {
        check(digest, Digest::of(&part))?;
        store.put(key, PutPayload::from(part)).await?;
        return Ok(());
    }
    let upload = upload.insert(store.put_multipart(key).await?);
    let mut hash = Sha256::new();
    while !part.is_empty() {
        hash.update(&part);
        upload.put_part(PutPayload::from(part)).await?;
        part = body.part(PART_BYTES).await?;
    }
    check(digest, Digest::from_bytes(hash.finalize().into()))?;
    upload.complete().await?;
    Ok(())
}

fn check(expected: Digest, found: Digest) -> Result<(), Refusal> {
    if expected == found {
        return Ok(());
    }
    Err(Refusal::Invalid(format!("the bytes have the digest {found}: the file changed while it was sent")))
}
