//! The gateway: the small HTTP receiver in the host to which runners talk. The [protocol](crate::protocol) is its
//! contract.
//!
//! [`Gateway`] takes heartbeats, logs, files, manifests and reports. [`Origin`] is the reading side of the same store, for
//! the host: the files of a deploy, or a whole deploy as a folder.
//!
//! # Tenants
//! Each request carries the token of one attempt, and everything that it touches lies under that attempt's account and
//! project, in the object store as well:
//!
//! ```text
//! <sha256 of account>/<sha256 of project>/files/<first two digits>/<digest>
//! <sha256 of account>/<sha256 of project>/manifests/<digest>.json
//! <sha256 of account>/<sha256 of project>/caches/<sha256 of scope>/…
//! ```
//!
//! So a runner can neither read nor find out whether another tenant has a file. There is no route that reads a file.
//! An archive of [`Caches`] is given out only from the [scopes](netbuild_core::model::CacheScope) that the token allows.
//!
//! # Fencing
//! A token is good as long as its attempt: uploads and logs are taken while the scheduler says that it lives, which is asked
//! every few seconds ([`GatewayLimits::trust`]), and while no scheduler leads nothing is taken. What comes in between takes
//! no effect: files are addressed by content, and a deploy becomes visible by
//! [`Ledger::activate`](netbuild_core::port::Ledger::activate) alone, which is fenced. A report is the scheduler's to judge:
//! one of an attempt that is settled or replaced is without effect. A success is passed on only when the manifest that it
//! names is stored in the attempt's project with all of its files.
//!
//! # Bounds
//! Every bound and deadline is in [`GatewayLimits`]. One account's uploads wait for each other before they take the room of
//! other accounts, and heartbeats and reports never wait for uploads. What one attempt may send is counted, in memory: the
//! counts begin anew when a gateway is started again.

mod app;
mod attempts;
mod auth;
mod body;
mod cache;
mod deploy;
mod limits;
mod manifest;
mod origin;
mod places;
mod rate;
mod refusal;
mod routes;
mod serve;
mod slots;
mod tenant_store;
mod upload;

pub use app::{Gateway, GatewayParts};
pub use cache::{CacheEntry, CacheLimits, CacheQuota, Caches, CachesError, Swept};
pub use limits::GatewayLimits;
pub use origin::{FileStream, Origin, OriginError};
