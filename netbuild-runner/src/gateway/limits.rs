//! The bounds of a gateway.

use std::time::Duration;

/// Bounds and deadlines of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayLimits {
    /// Connections of live attempts at once; more are refused. Default 4,096: sixteen for each of 256 attempts. The process
    /// must be allowed that many open files, and the strangers' beside them.
    pub connections: usize,
    /// Those of one attempt. Default 16: a runner uses up to six.
    pub attempt_connections: usize,
    /// Connections at once on which no live attempt was heard yet; past it the oldest of them is closed. Default 256.
    pub strangers: usize,
    /// Those from one address. Default unbounded: runners may share an address, behind a proxy or on one machine.
    pub peer_strangers: Option<usize>,
    /// How long a connection may be idle, or take for the head of a request. Default 30 s.
    pub head: Duration,
    /// The largest head of a request, in bytes, from 8 KiB on. Default 16 KiB. It has 64 fields at most.
    pub head_bytes: usize,
    /// How long a body may pause between two pieces. Default 30 s.
    pub idle: Duration,
    /// The longest request other than an upload. Default 30 s: under the lease of a runner, so that it can ask again.
    pub request: Duration,
    /// The longest upload of one file or manifest, and the longest wait for its turn. Default 10 minutes: 4 GiB at 7 MB a
    /// second.
    pub upload: Duration,
    /// The age at which a connection is closed after its current request. Default 1 hour.
    pub connection_age: Duration,
    /// How long requests may go on after a shutdown was asked. Default 5 s.
    pub drain: Duration,
    /// The largest file, in bytes. Default 4 GiB, as
    /// [`JobRules::publish_bytes`](netbuild_core::model::JobRules::publish_bytes) has it.
    pub file_bytes: u64,
    /// The largest manifest, in bytes. Default 64 MiB: 100,000 files with paths of 500 bytes.
    pub manifest_bytes: u64,
    /// The most files of one deploy. Default 100,000, as
    /// [`JobRules::publish_files`](netbuild_core::model::JobRules::publish_files) has it.
    pub deploy_files: u64,
    /// The most bytes of one deploy's files together. Default 4 GiB, as
    /// [`JobRules::publish_bytes`](netbuild_core::model::JobRules::publish_bytes) has it.
    pub deploy_bytes: u64,
    /// The most bytes that one attempt may send as files, manifests and archives of caches, those of uploads that failed
    /// included. Default 12 GiB: three times its deploy.
    pub attempt_bytes: u64,
    /// The most uploads of one attempt, failed ones included. Default 300,000: three times the files of its deploy.
    pub attempt_uploads: u64,
    /// The most heartbeats and reports of one attempt in a second; other requests wait for a turn. Default 50: what a
    /// runner sends while it gets no answer.
    pub attempt_requests: u32,
    /// How long it is trusted that an attempt lives before the scheduler is asked again: so long after its end its token
    /// may still upload what takes no effect. Default 5 s.
    pub trust: Duration,
    /// The most log bytes in one request. Default 1 MiB.
    pub log_bytes: u64,
    /// Files that are uploaded at once; more wait. Each takes about 8 MiB of memory. As many archives of caches may be
    /// uploaded or read beside them. Default 32.
    pub uploads: usize,
    /// Those of one account. Default 8.
    pub account_uploads: usize,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        GatewayLimits {
            connections: 4_096,
            attempt_connections: 16,
            strangers: 256,
            peer_strangers: None,
            head: Duration::from_secs(30),
            head_bytes: 16 << 10,
            idle: Duration::from_secs(30),
            request: Duration::from_secs(30),
            upload: Duration::from_secs(10 * 60),
            connection_age: Duration::from_secs(60 * 60),
            drain: Duration::from_secs(5),
            file_bytes: 4 << 30,
            manifest_bytes: 64 << 20,
            deploy_files: 100_000,
            deploy_bytes: 4 << 30,
            attempt_bytes: 12 << 30,
            attempt_uploads: 300_000,
            attempt_requests: 50,
            trust: Duration::from_secs(5),
            log_bytes: 1 << 20,
            uploads: 32,
            account_uploads: 8,
        }
    }
}
