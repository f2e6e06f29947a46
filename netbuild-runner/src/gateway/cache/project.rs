//! The objects of one project's caches.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use netbuild_core::model::{AccountId, CacheScope, Digest, ProjectId, Timestamp};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, Result};

use super::CacheEntry;
use super::scope::{Kept, QUESTIONS, ScopeCaches, forget_at, read_small};
use crate::gateway::tenant_store::tenant_prefix;

/// One project's part of the store of caches. Nothing else can be named through it.
#[derive(Clone, Debug)]
pub(super) struct ProjectCaches {
    pub(super) store: Arc<dyn ObjectStore>,
    prefix: String,
}

/// An archive that the store lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredArchive {
    /// The digest of its scope.
    pub(super) scope: Digest,
    pub(super) digest: Digest,
    pub(super) key: Path,
    pub(super) bytes: u64,
}

impl ProjectCaches {
    pub(super) fn new(store: &Arc<dyn ObjectStore>, account: &AccountId, project: &ProjectId) -> Self {
        Self::at(store, &tenant_prefix(account, project))
    }

    /// The caches of the project whose keys begin with `tenant`.
    pub(super) fn at(store: &Arc<dyn ObjectStore>, tenant: &str) -> Self {
        ProjectCaches { store: Arc::clone(store), prefix: format!("{tenant}/caches") }
    }

    /// A scope's part.
    pub(super) fn scope(&self, scope: &CacheScope) -> ScopeCaches {
        ScopeCaches::new(&self.store, &self.prefix, scope.clone())
    }

    /// Every object, in any order.
    pub(super) async fn objects(&self) -> Result<Vec<ObjectMeta>> {
        self.store.list(Some(&Path::from(self.prefix.as_str()))).try_collect().await
    }

    /// The archives among objects.
    pub(super) fn archives(&self, objects: &[ObjectMeta]) -> Vec<StoredArchive> {
        let archive = |object: &ObjectMeta| {
            let [scope, "archives", digest] = self.segments(object)[..] else { return None };
            Some(StoredArchive {
                scope: scope.parse().ok()?,
                digest: digest.parse().ok()?,
                key: object.location.clone(),
                bytes: object.size,
            })
        };
        objects.iter().filter_map(archive).collect()
    }

    /// The entries among objects. One that cannot be read is removed.
    pub(super) async fn entries(&self, objects: &[ObjectMeta]) -> Result<Vec<CacheEntry>> {
        let entries = objects.iter().filter(|object| matches!(self.segments(object)[..], [_, "entries", _, _]));
        let keys: Vec<_> = entries.map(|object| object.location.clone()).collect();
        stream::iter(keys)
            .map(|key| async move { self.entry(&key).await })
            .buffer_unordered(QUESTIONS)
            .try_filter_map(|entry| async move { Ok(entry) })
            .try_collect()
            .await
    }

    /// Removes entries, with the archives that none of those that are kept names.
    pub(super) async fn remove(&self, gone: &[CacheEntry], kept: &[CacheEntry]) -> Result<()> {
        let named: BTreeSet<_> = kept.iter().map(|entry| (&entry.scope, entry.archive)).collect();
        for entry in gone {
            let caches = self.scope(&entry.scope);
            // The entry first: one without its archive would be found, and found broken.
            caches.forget_entry(entry).await?;
            if !named.contains(&(&entry.scope, entry.archive)) {
                caches.forget_archive(&entry.archive).await?;
            }
        }
        Ok(())
    }

    /// An entry says itself which scope it is of, and is believed when it lies there.
    async fn entry(&self, key: &Path) -> Result<Option<CacheEntry>> {
        let Some(bytes) = read_small(&*self.store, key).await? else { return Ok(None) };
        match serde_json::from_slice::<CacheEntry>(&bytes) {
            Ok(entry) => Ok(self.scope(&entry.scope).read(key).await?.and_then(Kept::ok)),
            Err(_) => {
                tracing::warn!(%key, "an entry of a cache cannot be read: it is removed");
                forget_at(&*self.store, key).await?;
                Ok(None)
            }
        }
    }

    /// What comes after the project's prefix.
    fn segments<'a>(&self, object: &'a ObjectMeta) -> Vec<&'a str> {
        let below = object.location.as_ref().strip_prefix(&self.prefix).unwrap_or_default();
        below.split('/').skip(1).collect()
    }
}

/// When an object was written, by the store's clock; some stores say when its upload began.
pub(super) fn stored_at(object: &ObjectMeta) -> Timestamp {
    Timestamp::from_millis(u64::try_from(object.last_modified.timestamp_millis()).unwrap_or(0))
}
