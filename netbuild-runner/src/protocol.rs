//! What runner and gateway say to each other: HTTP/1.1 with JSON, the token as `Authorization: Bearer …`.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `POST /v1/heartbeat` | [`HeartbeatRequest`] | [`HeartbeatResponse`] |
//! | `PUT /v1/log?from=N` | masked log bytes from offset N on; none: only ask | [`LogResponse`] |
//! | `POST /v1/files/missing` | [`MissingRequest`] | [`MissingResponse`] |
//! | `PUT /v1/files/{digest}` | a file's bytes | 204 |
//! | `PUT /v1/manifest` | the manifest's bytes | [`ManifestResponse`] |
//! | `POST /v1/report` | [`Report`](netbuild_core::model::Report) | 204 |
//!
//! 401: the token is not good. 404 and 422: the request is wrong, repeating it is pointless; the body says why. 409: files
//! of the manifest are missing. 413: over a bound. 503: no scheduler leads or the store is away; ask again.

use netbuild_core::model::{Digest, RunPhase};
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
