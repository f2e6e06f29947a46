//! What runner and gateway say to each other: HTTP/1.1 with JSON, the token as `Authorization: Bearer …`.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `POST /v1/heartbeat` | [`HeartbeatRequest`] | [`HeartbeatResponse`] |
//! | `PUT /v1/log?from=N` | masked log bytes from offset N on; none: only ask | [`LogResponse`] |
//! | `POST /v1/files/missing` | [`MissingRequest`] | [`MissingResponse`] |
//! | `PUT /v1/files/{digest}` | a file's bytes | 204 |
//! | `PUT /v1/manifest` | the manifest's bytes | [`ManifestResponse`] |
//! | `POST /v1/caches/find` | [`FindCacheRequest`] | [`FindCacheResponse`] |
//! | `GET /v1/caches/archives/{digest}` | | the archive's bytes; 404: not there for this attempt |
//! | `PUT /v1/caches/archives/{digest}` | the archive's bytes | 204 |
//! | `PUT /v1/caches/entry` | [`SaveCacheRequest`] | 204; the first entry of a key stays |
//! | `POST /v1/caches/broken` | [`BrokenCacheRequest`] | 204; the entry is forgotten |
//! | `POST /v1/report` | [`Report`](netbuild_core::model::Report) | 204 |
//!
//! 401: the token is not good. 403: the attempt has used up what it may send. 404 and 422: the request is wrong, repeating
//! it is pointless; the body says why. 409: files of the manifest are missing. 410: the attempt is over. 413: over a bound.
//! 429: too often; ask again later. 503: no scheduler leads or the store is away; ask again. 507: the store's disk is full.

use netbuild_core::model::{CacheKey, CacheName, Digest, RunPhase};
use serde::{Deserialize, Serialize};

/// A runner lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatRequest {
    /// The phase it is in.
    pub phase: RunPhase,
}

/// What the runner shall do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "order")]
pub enum HeartbeatResponse {
    /// Go on.
    Continue {
        /// The lease, in milliseconds from when the heartbeat was sent.
        lease_millis: u64,
    },
    /// Stop: the attempt is cancelled, over or replaced.
    Stop,
}

/// How far the gateway has the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogResponse {
    /// The offset to send next.
    pub next: u64,
}

/// Which of these files does the origin lack?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingRequest {
    /// Their digests; at most [`MAX_MISSING_DIGESTS`].
    pub digests: Vec<Digest>,
}

/// The most digests in one [`MissingRequest`].
pub const MAX_MISSING_DIGESTS: usize = 1_000;

/// The files to upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingResponse {
    /// Their digests.
    pub missing: Vec<Digest>,
}

/// The manifest is stored and all its files are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestResponse {
    /// Its digest.
    pub digest: Digest,
}

/// Which entry fits? The gateway looks in the scopes that the token allows, the attempt's own first: for the key, and when
/// no scope has that, for the newest entry of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindCacheRequest {
    /// The cache.
    pub name: CacheName,
    /// The key.
    pub key: CacheKey,
}

/// The entry to restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindCacheResponse {
    /// `None`: nothing fits.
    pub found: Option<FoundCache>,
    /// What was damaged of that which fits better, or of anything that would fit when nothing is found. The gateway has
    /// forgotten it; where several were, this is the first.
    pub damage: Option<CacheDamage>,
    /// Whether the attempt's own scope lacks the key, so that it may be saved.
    pub save: bool,
}

/// What is wrong with a cache in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "damage")]
#[non_exhaustive]
pub enum CacheDamage {
    /// The entry cannot be read, or lies in the place of another.
    #[error("its entry cannot be read")]
    Entry,
    /// The entry names an archive that is not there.
    #[error("its archive is missing")]
    Missing,
    /// The archive has another length than the entry says.
    #[error("its archive has {is} bytes instead of {saved}")]
    Length {
        /// The length that it has, in bytes.
        is: u64,
        /// The length that it had.
        saved: u64,
    },
}

/// An entry of a cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundCache {
    /// The entry's key: the one that was asked for, or that of an older entry.
    pub key: CacheKey,
    /// The digest of the archive as it is transferred.
    pub archive: Digest,
    /// The archive's length as it is transferred, in bytes.
    pub bytes: u64,
}

/// An uploaded archive becomes the entry of a key in the attempt's own scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaveCacheRequest {
    /// The cache.
    pub name: CacheName,
    /// The key.
    pub key: CacheKey,
    /// The digest of the uploaded archive.
    pub archive: Digest,
    /// The archive's length, in bytes.
    pub bytes: u64,
}

/// An entry that was found cannot be used: its archive is damaged, or is not what its key says. The gateway looks at the
/// archive itself and forgets the entry if it agrees, or if the entry is of the attempt's own scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenCacheRequest {
    /// The cache.
    pub name: CacheName,
    /// The entry's key.
    pub key: CacheKey,
    /// The archive that it names.
    pub archive: Digest,
}
