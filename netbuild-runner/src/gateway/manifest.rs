//! Taking a manifest, and telling which files are missing.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use netbuild_core::model::{Digest, Manifest, PublishPath};
use object_store::{ObjectStoreExt, PutPayload};

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

/// Stores a manifest when all of its files are there, and gives its digest.
pub(super) async fn store_manifest(tenant: &TenantStore, bytes: &[u8]) -> Result<Digest, Refusal> {
    let manifest = Manifest::from_bytes(bytes)
        .map_err(|error| Refusal::Invalid(format!("the body is not a manifest: {error}")))?;
    let files = check(&manifest)?;
    let of = files.len();
    let missing = stream::iter(files)
        .map(|(digest, bytes)| async move { Ok::<_, Refusal>(tenant.file_bytes(&digest).await? == Some(bytes)) })
        .buffer_unordered(QUESTIONS)
        .try_fold(0, |missing, there| async move { Ok(missing + usize::from(!there)) })
        .await?;
    if missing > 0 {
        return Err(Refusal::FilesMissing { missing, of });
    }
    let bytes = manifest.to_bytes();
    let digest = Digest::of(&bytes);
    tenant.store.put(&tenant.manifest(&digest), PutPayload::from(bytes)).await?;
    Ok(digest)
}

/// The files of a manifest with their sizes, each once.
fn check(manifest: &Manifest) -> Result<BTreeMap<Digest, u64>, Refusal> {
    let mut files = BTreeMap::new();
    for (path, file) in &manifest.files {
        if let Some(folder) = folders(path).find(|folder| manifest.files.contains_key(folder)) {
            return Err(Refusal::Invalid(format!("{folder:?} cannot be both a file and a folder")));
        }
        if files.insert(file.digest, file.bytes).is_some_and(|before| before != file.bytes) {
            return Err(Refusal::Invalid(format!("{path:?} has the digest of a file of another size")));
        }
    }
    Ok(files)
}

/// The folders that a path lies in.
fn folders(path: &PublishPath) -> impl Iterator<Item = PublishPath> {
    let text = path.as_str();
    text.match_indices('/').filter_map(|(at, _)| PublishPath::parse(&text[..at]).ok())
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
        assert!(check(&manifest(&[("a", "x", 1), ("a-b/c", "y", 1)])).is_ok());
    }
}
