//! Which entry a build restores, and what it says of it afterwards.

use futures_util::TryStreamExt;
use netbuild_core::model::{CacheScope, Digest, Timestamp};
use object_store::{ObjectStoreExt, Result};
use sha2::{Digest as _, Sha256};

use super::CacheEntry;
use super::figures::{self, Why};
use super::project::ProjectCaches;
use super::scope::{Kept, ScopeCaches, found};
use crate::protocol::{BrokenCacheRequest, CacheDamage, FindCacheRequest, FindCacheResponse, FoundCache};

/// The entry that fits best: of the key, and then the newest of the name; in the own scope before the base's.
pub(super) async fn find(
    project: &ProjectCaches,
    scope: &CacheScope,
    wanted: &FindCacheRequest,
    now: Timestamp,
) -> Result<FindCacheResponse> {
    let readable: Vec<_> = scope.readable().iter().map(|scope| project.scope(scope)).collect();
    let mut damage = None;
    for caches in &readable {
        let entry = caches.entry(&wanted.name, &wanted.key).await?;
        if let Some(entry) = whole(caches, entry, &mut damage).await? {
            figures::found("exact");
            let save = caches.scope != *scope;
            return Ok(FindCacheResponse { found: Some(given(caches, scope, entry, now).await), damage, save });
        }
    }
    for caches in &readable {
        let entries = caches.entries(&wanted.name).await?;
        if let Some(entry) = whole(caches, entries, &mut damage).await? {
            figures::found("older");
            return Ok(FindCacheResponse { found: Some(given(caches, scope, entry, now).await), damage, save: true });
        }
    }
    figures::found("none");
    Ok(FindCacheResponse { found: None, damage, save: true })
}

/// The first entry whose archive is there in its length. Those before it are forgotten, and the first damage is noted.
async fn whole(
    caches: &ScopeCaches,
    kept: impl IntoIterator<Item = Kept>,
    damage: &mut Option<CacheDamage>,
) -> Result<Option<CacheEntry>> {
    for kept in kept {
        let found = match kept {
            Err(found) => found,
            Ok(entry) => match caches.damage(&entry).await? {
                None => return Ok(Some(entry)),
                Some(found) => {
                    forget_broken(caches, &entry).await?;
                    found
                }
            },
        };
        damage.get_or_insert(found);
    }
    Ok(None)
}

async fn given(caches: &ScopeCaches, own: &CacheScope, entry: CacheEntry, now: Timestamp) -> FoundCache {
    if caches.scope == *own {
        caches.touch(&entry, now).await;
    }
    let CacheEntry { key, archive, bytes, .. } = entry;
    FoundCache { key, archive, bytes }
}

/// Forgets an entry that a runner could not use: of its own scope on its word, of the base's when the archive is not what
/// it should be. A runner may lie, and no pull request shall take the base's caches away.
pub(super) async fn broken(project: &ProjectCaches, scope: &CacheScope, said: &BrokenCacheRequest) -> Result<()> {
    for readable in scope.readable() {
        let caches = project.scope(&readable);
        let own = readable == *scope;
        let entry = caches.entry(&said.name, &said.key).await?.and_then(Kept::ok);
        let entry = entry.filter(|entry| entry.archive == said.archive);
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
    caches.forget_entry(entry).await?;
    if let Err(error) = caches.forget_archive(&entry.archive).await {
        // For example a folder in its place: without its entry nobody finds it.
        tracing::warn!(archive = %entry.archive, %error, "a broken archive cannot be removed");
    }
    Ok(())
}

/// Reads an archive and compares it with its entry.
async fn is_intact(caches: &ScopeCaches, entry: &CacheEntry) -> Result<bool> {
    if caches.damage(entry).await?.is_some() {
        return Ok(false);
    }
    let Some(archive) = found(caches.store.get(&caches.archive(&entry.archive)).await)? else { return Ok(false) };
    let mut hash = Sha256::new();
    let mut pieces = archive.into_stream();
    while let Some(piece) = pieces.try_next().await? {
        hash.update(&piece);
    }
    Ok(Digest::from_bytes(hash.finalize().into()) == entry.archive)
}
