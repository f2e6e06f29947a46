//! The gateway over real HTTP on loopback: every route and every refusal, with a fake scheduler behind it.

#![cfg(all(feature = "gateway", feature = "runner"))]
#![expect(clippy::unwrap_used, reason = "tests and their helpers may panic")]

mod bounds;
mod caches;
mod files;
mod floods;
mod hostile;
mod logs;
mod manifests;
mod origin;
mod routes;
mod scheduler;
mod tenants;
mod world;
