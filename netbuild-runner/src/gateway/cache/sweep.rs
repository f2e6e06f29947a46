//! Letting go what is over the bounds, and what crashes left.

use std::collections::BTreeSet;

use netbuild_core::model::Timestamp;
use object_store::{ObjectMeta, ObjectStoreExt, Result};

use super::evict::evict;
use super::figures::{self, Why};
use super::project::{ProjectCaches, stored_at};
use super::scope::{delete, found, scope_digest};
use super::{CacheEntry, CacheLimits, Swept};

/// Everything of one project: entries whose archives are gone, entries over the bounds, archives without an entry.
pub(super) async fn sweep_project(project: &ProjectCaches, limits: &CacheLimits, now: Timestamp) -> Result<Swept> {
    let objects = project.objects().await?;
    let mut entries = Vec::new();
    let mut broken = 0;
    for entry in project.entries(&objects).await? {
        let caches = project.scope(&entry.scope);
        // Asked one by one: an entry and its archive may have come while the list was made.
        if caches.damage(&entry).await?.is_none() {
            entries.push(entry);
        } else {
            caches.forget(&entry).await?;
            broken += 1;
        }
    }
    figures::removed(Why::Broken, broken);
    let before = entries.len();
    let kept = remove_evicted(project, entries, limits, now).await?;
    let unsaved = remove_unsaved(project, &objects, &kept, limits, now).await?;
    Ok(Swept { entries: broken + before - kept.len(), archives: unsaved })
}

/// Removes the entries that go, with the archives that no other entry of the scope names, and gives those that stay.
pub(super) async fn remove_evicted(
    project: &ProjectCaches,
    entries: Vec<CacheEntry>,
    limits: &CacheLimits,
    now: Timestamp,
) -> Result<Vec<CacheEntry>> {
    let (kept, gone) = evict(entries, limits, now);
    project.remove(&gone, &kept).await?;
    figures::removed(Why::Evicted, gone.len());
    Ok(kept)
}

/// Removes the archives that no entry names and that are not young, and gives their number.
pub(super) async fn remove_unsaved(
    project: &ProjectCaches,
    objects: &[ObjectMeta],
    entries: &[CacheEntry],
    limits: &CacheLimits,
    now: Timestamp,
) -> Result<usize> {
    let named: BTreeSet<_> = entries.iter().map(|entry| (scope_digest(&entry.scope), entry.archive)).collect();
    let mut removed = 0;
    for archive in project.archives(objects) {
        if named.contains(&(archive.scope, archive.digest)) {
            continue;
        }
        // Asked now: it may have been uploaded a second time since the list was made, and will be an entry's soon.
        let object = found(project.store.head(&archive.key).await)?;
        if object.is_some_and(|object| now.since(stored_at(&object)) > limits.unsaved) {
            delete(&*project.store, &archive.key).await?;
            removed += 1;
        }
    }
    figures::removed(Why::Unsaved, removed);
    Ok(removed)
}
