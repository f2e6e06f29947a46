//! Taking a manifest, and telling which files are missing.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use netbuild_core::model::{Digest, Manifest, PublishPath};
use object_store::{ObjectStoreExt, PutPayload};

use super::GatewayLimits;
use super::attempts::Stored;
use super::refusal::Refusal;
use super::tenant_store::TenantStore;
use crate::protocol::MAX_MISSING_DIGESTS;

/// How many questions one request asks the store at once.
const QUESTIONS: usize = 16;

/// Which of these files the tenant lacks, in the order of the question.
pub(super) async fn missing(tenant: &TenantStore, digests: Vec<Digest>) -> Result<Vec<Digest>, Refusal> {
    if digests.len() > MAX_MISSING_DIGESTS {
        return Err(Refusal::Invalid(format!("ask for at most {MAX_MISSING_DIGESTS} digests in one request")));
    }
    let mut seen = BTreeSet::new();
    stream::iter(digests.into_iter().filter(move |digest| seen.insert(*digest)))
        .map(|digest| async move { Ok((digest, tenant.file_bytes(&digest).await?)) })
        .buffered(QUESTIONS)
        .try_filter_map(|(digest, bytes)| async move { Ok(bytes.is_none().then_some(digest)) })
        .try_collect()
        .await
}

/// Stores a manifest when all of its files are there, and gives its digest and what it says.
pub(super) async fn store_manifest(
    tenant: &TenantStore,
    bytes: &[u8],
    limits: &GatewayLimits,
) -> Result<(Digest, Stored), Refusal> {
    let manifest = Manifest::from_bytes(bytes)
        .map_err(|error| Refusal::Invalid(format!("the body is not a manifest: {error}")))?;
    let stored = check_whole(tenant, &manifest, limits).await?;
    let bytes = manifest.to_bytes();
    let digest = Digest::of(&bytes);
    tenant.store.put(&tenant.manifest(&digest), PutPayload::from(bytes)).await?;
    Ok((digest, stored))
}

/// Checks that a manifest is a deploy within the limits and that all of its files are there.
pub(super) async fn check_whole(
    tenant: &TenantStore,
    manifest: &Manifest,
    limits: &GatewayLimits,
) -> Result<Stored, Refusal> {
    let stored = Stored { files: manifest.files.len() as u64, bytes: manifest.total_bytes() };
    for (amount, limit, what) in
        [(stored.files, limits.deploy_files, "files"), (stored.bytes, limits.deploy_bytes, "bytes")]
    {
        if amount > limit {
            return Err(Refusal::DeployTooLarge { limit, what });
        }
    }
    let files = check(manifest)?;
    let of = files.len();
    let missing = stream::iter(files)
        .map(|(digest, bytes)| async move { Ok::<_, Refusal>(tenant.file_bytes(&digest).await? == Some(bytes)) })
        .buffer_unordered(QUESTIONS)
        .try_fold(0, |missing, there| async move { Ok(missing + usize::from(!there)) })
        .await?;
    if missing > 0 {
        return Err(Refusal::FilesMissing { missing, of });
    }
    Ok(stored)
}

/// The files of a manifest with their sizes, each once. Names that differ only in capitals are one name where a customer
/// or a host unpacks the deploy onto a file system that does not tell them apart.
fn check(manifest: &Manifest) -> Result<BTreeMap<Digest, u64>, Refusal> {
    let folded: BTreeSet<String> = manifest.files.keys().map(fold).collect();
    if folded.len() < manifest.files.len() {
        let mut seen = BTreeSet::new();
        let twice = manifest.files.keys().find(|path| !seen.insert(fold(path)));
        let twice = twice.map(PublishPath::as_str).unwrap_or_default();
        return Err(Refusal::Invalid(format!("{twice:?} differs from another path only in capitals: rename one")));
    }
    let mut files = BTreeMap::new();
    for (path, file) in &manifest.files {
        let path = fold(path);
        if let Some(folder) = folders(&path).find(|folder| folded.contains(*folder)) {
            return Err(Refusal::Invalid(format!("{folder:?} cannot be both a file and a folder")));
        }
        if files.insert(file.digest, file.bytes).is_some_and(|before| before != file.bytes) {
            return Err(Refusal::Invalid(format!("{path:?} has the digest of a file of another size")));
        }
    }
    Ok(files)
}

fn fold(path: &PublishPath) -> String {
    path.as_str().to_lowercase()
}

/// The folders that a path lies in.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

#[cfg(test)]
mod tests {
    use netbuild_core::model::ManifestFile;

    use super::*;

    fn manifest(files: &[(&str, &str, u64)]) -> Manifest {
        let file = |(path, content, bytes): &(&str, &str, u64)| {
            (PublishPath::parse(path).unwrap(), ManifestFile { digest: Digest::of(content), bytes: *bytes })
        };
        Manifest { files: files.iter().map(file).collect() }
    }

    #[test]
    fn each_content_is_asked_for_once() {
        let files = check(&manifest(&[("a", "x", 1), ("b/c", "x", 1), ("b/d", "yy", 2)])).unwrap();
        assert_eq!(files, [(Digest::of("x"), 1), (Digest::of("yy"), 2)].into());
    }

    #[test]
    fn a_manifest_that_is_no_folder_is_refused() {
        assert!(check(&manifest(&[("a", "x", 1), ("a/b/c", "y", 1)])).is_err(), "a is a file and a folder");
        assert!(check(&manifest(&[("a", "x", 1), ("b", "x", 2)])).is_err(), "one content, two sizes");
        assert!(check(&manifest(&[("a/B", "x", 1), ("A/b", "y", 1)])).is_err(), "one name for some file systems");
        assert!(check(&manifest(&[("A", "x", 1), ("a/b", "y", 1)])).is_err(), "also as a folder");
        assert!(check(&manifest(&[("\u{c4}", "x", 1), ("\u{e4}", "y", 1)])).is_err(), "in any script");
        assert!(check(&manifest(&[("a", "x", 1), ("a-b/c", "y", 1)])).is_ok());
    }
}
