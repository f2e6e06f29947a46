//! What is known of an entry.

use netbuild_core::model::{CacheKey, CacheName, CacheScope, Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// One entry of a project's caches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheEntry {
    /// The scope whose builds wrote it.
    pub scope: CacheScope,
    /// The cache.
    pub name: CacheName,
    /// The key.
    pub key: CacheKey,
    /// The digest of its archive.
    pub archive: Digest,
    /// The archive's length as it is stored and transferred, in bytes.
    pub bytes: u64,
    /// When it was saved.
    pub created_at: Timestamp,
    /// When a build of its own scope last found it; exact to an hour. Somebody else's builds do not count, so that they have
    /// no say in what stays.
    pub used_at: Timestamp,
}
