//! The objects of one scope.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use netbuild_core::model::{CacheKey, CacheName, CacheScope, Digest, Timestamp};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload, Result};

use super::CacheEntry;
use crate::protocol::CacheDamage;

/// How often the last use of an entry is written at most. Reading is far more frequent, and ages are counted in days.
const TOUCH: Duration = Duration::from_secs(60 * 60);

/// The largest entry that is read, in bytes. The largest that is written has a context of some hundred.
const ENTRY_BYTES: u64 = 64 << 10;

/// How many objects are asked for at once.
pub(super) const QUESTIONS: usize = 16;

/// An entry, or what is wrong in its place.
pub(super) type Kept = std::result::Result<CacheEntry, CacheDamage>;

/// One scope's part of a project's caches. Nothing else can be named through it.
#[derive(Clone, Debug)]
pub(super) struct ScopeCaches {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) scope: CacheScope,
    prefix: String,
}

impl ScopeCaches {
    /// The scope's part of the caches that lie under `prefix`.
    pub(super) fn new(store: &Arc<dyn ObjectStore>, prefix: &str, scope: CacheScope) -> Self {
        let prefix = format!("{prefix}/{}", scope_digest(&scope));
        ScopeCaches { store: Arc::clone(store), scope, prefix }
    }

    /// The key of an archive.
    pub(super) fn archive(&self, digest: &Digest) -> Path {
        Path::from(format!("{}/archives/{digest}", self.prefix))
    }

    /// An archive's length; `None` when it is not there.
    pub(super) async fn archive_bytes(&self, digest: &Digest) -> Result<Option<u64>> {
        listed_bytes(&*self.store, &self.archive(digest)).await
    }

    /// What is wrong with the archive of an entry, as far as its length tells.
    pub(super) async fn damage(&self, entry: &CacheEntry) -> Result<Option<CacheDamage>> {
        Ok(match self.archive_bytes(&entry.archive).await? {
            None => Some(CacheDamage::Missing),
            Some(bytes) if bytes != entry.bytes => Some(CacheDamage::Length { is: bytes, saved: entry.bytes }),
            Some(_) => None,
        })
    }

    /// The entry of a key.
    pub(super) async fn entry(&self, name: &CacheName, key: &CacheKey) -> Result<Option<Kept>> {
        let key = self.entry_key(name, key);
        match listed_bytes(&*self.store, &key).await? {
            None => Ok(None),
            Some(0) => self.forget_damaged(&key).await.map(Some),
            Some(_) => self.read(&key).await,
        }
    }

    /// The entries of a name: those that are damaged, and then the newest first.
    pub(super) async fn entries(&self, name: &CacheName) -> Result<Vec<Kept>> {
        let prefix = Path::from(format!("{}/entries/{}", self.prefix, Digest::of(name.as_str())));
        let keys: Vec<Path> = self.store.list(Some(&prefix)).map_ok(|meta| meta.location).try_collect().await?;
        let mut entries: Vec<_> = stream::iter(keys)
            .map(|key| async move { self.read(&key).await })
            .buffer_unordered(QUESTIONS)
            .try_filter_map(|entry| async move { Ok(entry) })
            .try_collect()
            .await?;
        entries.sort_by_key(|kept: &Kept| kept.as_ref().ok().map(|entry| Reverse((entry.created_at, entry.key))));
        Ok(entries)
    }

    /// Writes an entry; `false`: its key has one, which stays.
    pub(super) async fn create(&self, entry: &CacheEntry) -> Result<bool> {
        let text = serde_json::to_vec(entry).expect("an entry is always JSON");
        let key = self.entry_key(&entry.name, &entry.key);
        match self.store.put_opts(&key, PutPayload::from(text), PutMode::Create.into()).await {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Notes that an entry was used, when that was not noted lately. A store that is full can still be read, so a failure
    /// is only told.
    pub(super) async fn touch(&self, entry: &CacheEntry, now: Timestamp) {
        if now.since(entry.used_at) < TOUCH {
            return;
        }
        let text = serde_json::to_vec(&now).expect("a time is always JSON");
        let key = used_key(&self.entry_key(&entry.name, &entry.key));
        if let Err(error) = self.store.put(&key, PutPayload::from(text)).await {
            tracing::warn!(%key, %error, "the use of a cache could not be noted");
        }
    }

    /// Removes an entry, its use and its archive.
    pub(super) async fn forget(&self, entry: &CacheEntry) -> Result<()> {
        self.forget_entry(entry).await?;
        self.forget_archive(&entry.archive).await
    }

    /// Removes an entry and its use. Its archive may be another entry's as well.
    pub(super) async fn forget_entry(&self, entry: &CacheEntry) -> Result<()> {
        forget_at(&*self.store, &self.entry_key(&entry.name, &entry.key)).await
    }

    /// Removes an archive.
    pub(super) async fn forget_archive(&self, digest: &Digest) -> Result<()> {
        delete(&*self.store, &self.archive(digest)).await
    }

    /// The entry at a key of this scope. One that cannot be read, or is not of this place, is removed.
    pub(super) async fn read(&self, key: &Path) -> Result<Option<Kept>> {
        let Some(bytes) = read_small(&*self.store, key).await? else { return Ok(None) };
        let entry = serde_json::from_slice(&bytes).ok();
        let Some(entry) = entry
            .filter(|entry: &CacheEntry| entry.scope == self.scope && self.entry_key(&entry.name, &entry.key) == *key)
        else {
            return self.forget_damaged(key).await.map(Some);
        };
        let used = read_small(&*self.store, &used_key(key)).await?;
        let used = used.and_then(|used| serde_json::from_slice(&used).ok()).unwrap_or(Timestamp::EPOCH);
        Ok(Some(Ok(CacheEntry { used_at: entry.used_at.max(used), ..entry })))
    }

    async fn forget_damaged(&self, key: &Path) -> Result<Kept> {
        tracing::warn!(%key, "an entry of a cache cannot be read, or lies in the place of another: it is removed");
        forget_at(&*self.store, key).await?;
        Ok(Err(CacheDamage::Entry))
    }

    fn entry_key(&self, name: &CacheName, key: &CacheKey) -> Path {
        Path::from(format!("{}/entries/{}/{key}.json", self.prefix, Digest::of(name.as_str())))
    }
}

/// Removes an entry by its key in the store, and before it its use: a note of use without an entry would stay for ever.
pub(super) async fn forget_at(store: &dyn ObjectStore, entry_key: &Path) -> Result<()> {
    delete(store, &used_key(entry_key)).await?;
    delete(store, entry_key).await
}

/// Where the last use of an entry is noted.
fn used_key(entry_key: &Path) -> Path {
    Path::from(entry_key.as_ref().replace("/entries/", "/used/"))
}

/// What the keys of a scope have of it.
pub(super) fn scope_digest(scope: &CacheScope) -> Digest {
    Digest::of(serde_json::to_vec(scope).expect("a scope is always JSON"))
}

/// The length of what lies at a key, as a list of its folder says; `None` when there is nothing. Asked like this nothing is
/// opened: in a local folder that would not end when a pipe lies there. A list shows it as an object of no bytes.
async fn listed_bytes(store: &dyn ObjectStore, key: &Path) -> Result<Option<u64>> {
    let folder = key.as_ref().rsplit_once('/').map(|(folder, _)| Path::from(folder));
    let listed = store.list_with_delimiter(folder.as_ref()).await?;
    Ok(listed.objects.into_iter().find(|object| object.location == *key).map(|object| object.size))
}

/// What is read; `None` when there is nothing.
pub(super) fn found<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes an object. One that is gone already is fine: another request was faster.
pub(super) async fn delete(store: &dyn ObjectStore, key: &Path) -> Result<()> {
    found(store.delete(key).await).map(|_| ())
}

/// The bytes of a small object; none of one that has grown too large to be an entry.
pub(super) async fn read_small(store: &dyn ObjectStore, key: &Path) -> Result<Option<Vec<u8>>> {
    let Some(object) = found(store.get(key).await)? else { return Ok(None) };
    if object.meta.size > ENTRY_BYTES {
        return Ok(Some(Vec::new()));
    }
    Ok(found(object.bytes().await)?.map(Vec::from))
}
