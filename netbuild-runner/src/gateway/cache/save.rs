//! Taking an archive, and making it the entry of a key.

use std::time::Duration;

use netbuild_core::model::{CacheScope, Digest, Timestamp};

use super::figures;
use super::project::ProjectCaches;
use super::room::has_room;
use super::sweep::{remove_evicted, remove_unsaved};
use super::{CacheEntry, CacheLimits};
use crate::gateway::body::Incoming;
use crate::gateway::refusal::{Refusal, within};
use crate::gateway::upload::store_file;
use crate::protocol::SaveCacheRequest;

/// Stores an archive of at most `bytes` bytes in the own scope. Until an entry names it, nobody finds it.
pub(super) async fn upload(
    project: &ProjectCaches,
    scope: &CacheScope,
    digest: Digest,
    (bytes, mut body): (u64, Incoming),
    limits: &CacheLimits,
    deadline: Duration,
    now: Timestamp,
) -> Result<(), Refusal> {
    if let Err(refusal) = within(deadline, make_room(project, scope, bytes, limits, now)).await {
        body.discard().await;
        return Err(refusal);
    }
    let caches = project.scope(scope);
    store_file(&*caches.store, &caches.archive(&digest), digest, body, deadline).await
}

/// Refuses an archive for which there is no room, also when what dead runners left is gone.
async fn make_room(
    project: &ProjectCaches,
    scope: &CacheScope,
    bytes: u64,
    limits: &CacheLimits,
    now: Timestamp,
) -> Result<(), Refusal> {
    for cleaned in [false, true] {
        let objects = project.objects().await?;
        let archives: Vec<_> =
            project.archives(&objects).iter().map(|archive| (archive.scope, archive.bytes)).collect();
        if has_room(&archives, scope, bytes, limits) {
            return Ok(());
        }
        if !cleaned {
            let entries = project.entries(&objects).await?;
            remove_unsaved(project, &objects, &entries, limits, now).await?;
        }
    }
    Err(Refusal::NoRoomForArchives)
}

/// Makes an uploaded archive the entry of a key in the own scope, and lets go what is then over the quotas. A key that
/// has an entry keeps it.
pub(super) async fn save(
    project: &ProjectCaches,
    scope: &CacheScope,
    asked: SaveCacheRequest,
    limits: &CacheLimits,
    now: Timestamp,
) -> Result<(), Refusal> {
    let caches = project.scope(scope);
    let SaveCacheRequest { name, key, archive, bytes } = asked;
    let entry = CacheEntry { scope: scope.clone(), name, key, archive, bytes, created_at: now, used_at: now };
    if caches.damage(&entry).await?.is_some() {
        return Err(Refusal::ArchiveMissing);
    }
    if bytes > limits.largest(scope) {
        return Err(Refusal::TooLarge { limit: limits.largest(scope) });
    }
    if caches.create(&entry).await? {
        figures::saved(bytes);
        let entries = project.entries(&project.objects().await?).await?;
        remove_evicted(project, entries, limits, now).await?;
    }
    Ok(())
}
