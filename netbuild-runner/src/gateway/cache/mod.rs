//! What projects keep between their builds, per account, project and scope.
//!
//! ```text
//! <sha256 of account>/<sha256 of project>/caches/<sha256 of scope>/entries/<sha256 of name>/<key>.json
//! <sha256 of account>/<sha256 of project>/caches/<sha256 of scope>/used/<sha256 of name>/<key>.json
//! <sha256 of account>/<sha256 of project>/caches/<sha256 of scope>/archives/<digest>
//! ```
//!
//! An **entry** says which archive belongs to a key. It is written once, after its archive is stored and checked, and the
//! first one stays. When it was last used is written beside it, at most once an hour. An **archive** is content: what it
//! holds is the runners' affair, and they check its digest before they open it.
//!
//! # What is asked of the store
//! A `put` is whole or not there; [`PutMode::Create`](object_store::PutMode::Create) fails when the object exists; a `get`,
//! `head` or `list` that starts after a `put` has ended sees it. The stores of the `object_store` crate give this: S3 and
//! its like since they are strongly consistent, a local folder by rename and hard link. Nothing is ever renamed or
//! changed in place, and nothing is locked. Where two requests race, the one that loses costs a miss, never a wrong
//! archive: an entry without its archive is noticed when it is found, forgotten, and told to the runner.
//! Whether an archive or an entry is there is asked by a list, so that a pipe in its place is never opened.

mod caches;
mod download;
mod entry;
mod evict;
mod figures;
mod find;
mod limits;
mod project;
mod room;
mod routes;
mod save;
mod scope;
mod sweep;

pub use caches::{Caches, CachesError, Swept};
pub use entry::CacheEntry;
pub use limits::{CacheLimits, CacheQuota};
pub(super) use routes::routes;
