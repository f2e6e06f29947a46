//! The runner of netbuild, which does a build, and the gateway that it reports to.
//!
//! A host runs a `gateway::Gateway` beside its scheduler: without one no runner gets an answer, and a runner without an
//! answer does not run the command and stops when its lease is over. The runner is the binary `netbuild-runner`, or the
//! host's own program through `runner::dispatch`. What the two say to each other is in [`protocol`].
//!
//! # Features
//! | feature | brings |
//! |---|---|
//! | `runner` (default) | the program that does the build: a library function and the binary |
//! | `gateway` (default) | the HTTP receiver, and `gateway::Origin`, which reads deploys |
//!
//! # Versions
//! The minimum supported Rust version is 1.95. Linux only.

#[cfg(feature = "gateway")]
pub mod gateway;
pub mod protocol;
#[cfg(feature = "runner")]
pub mod runner;
