//! Taking a file.

use bytes::Bytes;
use netbuild_core::model::Digest;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

use super::body::Incoming;
use super::refusal::{Refusal, within};
use super::tenant_store::TenantStore;

/// The size of a part, in bytes: over the 5 MiB that stores ask for. A smaller file is stored in one call.
const PART_BYTES: usize = 8 << 20;

/// How long a store may take to forget an upload that failed.
const ABORT: Duration = Duration::from_secs(10);

/// Stores a body under its digest. Bytes that have another digest are never visible in the store.
pub(super) async fn store_file(
    tenant: &TenantStore,
    digest: Digest,
    mut body: Incoming,
    deadline: Duration,
) -> Result<(), Refusal> {
    let key = tenant.file(&digest);
    let first = within(deadline, body.part(PART_BYTES)).await?;
    if first.len() < PART_BYTES {
        same(digest, Digest::of(&first))?;
        return within(deadline, async { Ok(tenant.store.put(&key, PutPayload::from(first)).await.map(|_| ())?) })
            .await;
    }
    let mut upload = within(deadline, async { Ok(tenant.store.put_multipart(&key).await?) }).await?;
    let stored = within(deadline, store_parts(upload.as_mut(), digest, first, body)).await;
    if stored.is_err() {
        // Nothing is visible either way; a store that does not answer expires the parts later.
        let _ = tokio::time::timeout(ABORT, upload.abort()).await;
    }
    stored
}

async fn store_parts(
    upload: &mut dyn MultipartUpload,
    digest: Digest,
    first: Bytes,
    mut body: Incoming,
) -> Result<(), Refusal> {
    let mut hash = Sha256::new();
    let mut part = first;
    while !part.is_empty() {
        hash.update(&part);
        upload.put_part(PutPayload::from(part)).await?;
        part = body.part(PART_BYTES).await?;
    }
    same(digest, Digest::from_bytes(hash.finalize().into()))?;
    upload.complete().await?;
    Ok(())
}

fn same(expected: Digest, found: Digest) -> Result<(), Refusal> {
    if expected == found {
        return Ok(());
    }
    Err(Refusal::Invalid(format!("the bytes have the digest {found}: the file changed while it was sent")))
}
