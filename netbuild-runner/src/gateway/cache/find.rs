//! Which entry a build restores, and what it says of it afterwards.

use futures_util::TryStreamExt;
use netbuild_core::model::{CacheScope, Digest, Timestamp};
use object_store::{ObjectStoreExt, Result};
use sha2::{Digest as _, Sha256};

use super::CacheEntry;
use super::figures::{self, Why};
use super::project::ProjectCaches;
use super::scope::{ScopeCaches, found};
use crate::protocol::{BrokenCacheRequest, FindCacheRequest, FindCacheResponse, FoundCache};

/// The entry that fits best: of the key, and then the newest of the name; in the own scope before the base's.
pub(super) async fn find(
    project: &ProjectCaches,
    scope: &CacheScope,
    wanted: &FindCacheRequest,
    now: Timestamp,
) -> Result<FindCacheResponse> {
    let readable: Vec<_> = scope.readable().iter().map(|scope| project.scope(scope)).collect();
    let mut save = true;
    for caches in &readable {
        let entry = caches.entry(&wanted.name, &wanted.key).await?;
        if let Some(entry) = whole(caches, entry.into_iter()).await? {
            save &= caches.scope != *scope;
            figures::found("exact");
            return Ok(answer(caches, scope, entry, save, now).await);
        }
    }
    for caches in &readable {
        let entries = caches.entries(&wanted.name).await?;
        if let Some(entry) = whole(caches, entries.into_iter()).await? {
            figures::found("older");
            return Ok(answer(caches, scope, entry, save, now).await);
        }
    }
    figures::found("none");
    Ok(FindCacheResponse { found: None, save })
}

/// The first entry whose archive is there in its length. Those before it are forgotten.
async fn whole(caches: &ScopeCaches, entries: impl Iterator<Item = CacheEntry>) -> Result<Option<CacheEntry>> {
    for entry in entries {
        if caches.is_whole(&entry).await? {
            return Ok(Some(entry));
        }
        forget_broken(caches, &entry).await?;
    }
    Ok(None)
}

async fn answer(
    caches: &ScopeCaches,
    own: &CacheScope,
    entry: CacheEntry,
    save: bool,
    now: Timestamp,
) -> FindCacheResponse {
    if caches.scope == *own {
        caches.touch(&entry, now).await;
    }
    let CacheEntry { key, archive, bytes, .. } = entry;
    FindCacheResponse { found: Some(FoundCache { key, archive, bytes }), save }
}

/// Forgets an entry that a runner could not use: of its own scope on its word, of the base's when the archive is not what
/// it should be. A runner may lie, and no pull request shall take the base's caches away.
pub(super) async fn broken(project: &ProjectCaches, scope: &CacheScope, said: &BrokenCacheRequest) -> Result<()> {
    for readable in scope.readable() {
        let caches = project.scope(&readable);
        let own = readable == *scope;
        let entry = caches.entry(&said.name, &said.key).await?.filter(|entry| entry.archive == said.archive);
        match entry {
            Some(entry) if own || !is_intact(&caches, &entry).await? => forget_broken(&caches, &entry).await?,
            // What the base's entry names may have been read from a copy in the own scope.
            None if own => caches.forget_archive(&said.archive).await?,
            _ => {}
        }
    }
    Ok(())
}

async fn forget_broken(caches: &ScopeCaches, entry: &CacheEntry) -> Result<()> {
    tracing::warn!(name = %entry.name, key = %entry.key, "an entry of a cache is broken: it is forgotten");
    figures::removed(Why::Broken, 1);
    caches.forget(entry).await
}

/// Reads an archive and compares it with its entry.
async fn is_intact(caches: &ScopeCaches, entry: &CacheEntry) -> Result<bool> {
    let Some(archive) = found(caches.store.get(&caches.archive(&entry.archive)).await)? else { return Ok(false) };
    if archive.meta.size != entry.bytes {
        return Ok(false);
    }
    let mut hash = Sha256::new();
    let mut pieces = archive.into_stream();
    while let Some(piece) = pieces.try_next().await? {
        hash.update(&piece);
    }
    Ok(Digest::from_bytes(hash.finalize().into()) == entry.archive)
}
