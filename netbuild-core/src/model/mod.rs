//! The words of netbuild as types: plain values without I/O, clock or randomness.
//!
//! A [`Build`] is what a customer asked for; an [`AttemptId`] one run of it on an executor, chosen by a [`Route`]; an
//! [`Outcome`] how it ended and whose fault that was; a [`BuildRecord`] all that the ledger knows of it.

mod attempt_folder;
mod build;
mod cache;
mod digest;
mod id;
mod job;
mod manifest;
mod name;
mod outcome;
mod record;
mod route;
mod source;
mod text_id;
mod time;
mod token;

pub use attempt_folder::{AttemptFolder, AttemptMark, ExitRecord, RunnerIdentity};
pub use build::{Build, BuildSpec, DeployContext, Limits, OnUnknown, Priority, Resources, SecretRef, Trust};
pub use cache::{
    CacheKey, CacheName, CachePath, CachePlace, CacheScope, CacheSpec, InvalidCache, MAX_CACHE_NAME_BYTES,
};
pub use digest::{Digest, InvalidDigest};
pub use id::{AttemptId, AttemptNumber, BuildId, BuildKey, LeaderEpoch, Place, Rank};
pub use job::{GatewayAccess, Job, JobRules, PhaseTime, Report, RunPhase, UnreadableJob};
pub use manifest::{InvalidPath, MAX_PATH_BYTES, Manifest, ManifestFile, PublishPath};
pub use name::{BuildName, NameKey};
pub use outcome::{Cause, DeployInfo, Failure, MAX_EVIDENCE_BYTES, Outcome, Owner, RetryAt};
pub use record::{
    AttemptRecord, AttemptState, BuildRecord, BuildState, CancelReason, Change, Ending, IllegalChange,
    IllegalChangeKind,
};
pub use route::Route;
pub use source::{InvalidSource, MAX_REF_BYTES, MAX_URL_BYTES, RepositoryUrl, Revision, Source, Transport};
pub use text_id::{AccountId, ExecutorName, HolderId, HostName, InvalidName, MAX_NAME_BYTES, ProjectId, PublisherId};
pub use time::{InvalidTime, Timestamp};
pub use token::{GatewayClaim, GatewayKey, InvalidToken};
