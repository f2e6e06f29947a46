//! The core of netbuild: continuous-deployment builds from an event to a deployed site, as parts to link into a service.
//!
//! A [`Build`](model::Build) is recorded in an [`Outbox`](port::Outbox), travels through a [`Queue`](port::Queue) into the
//! [`Ledger`](port::Ledger), waits until a [`Policy`](policy::Policy) lets it start, runs as an attempt on an
//! [`Executor`](port::Executor), and its deploy becomes visible by one compare-and-set in the ledger. The
//! [`Engine`](engine::Engine) decides all of it, purely; the [`Scheduler`](scheduler::Scheduler) carries it out.
//!
//! # By role
//! - You link netbuild into a service: wire the ports in [`SchedulerPorts`](scheduler::SchedulerPorts) and run a
//!   [`Scheduler`](scheduler::Scheduler). Stores are in `netbuild-queue`, executors in `netbuild-vm`, the runner and its
//!   gateway in `netbuild-runner`.
//! - You write a scheduling policy: implement [`Policy`](policy::Policy).
//! - You test policies, executors or stores: turn the feature `testkit` on.
//!
//! # The floors
//! [`model`] is the words as plain types, [`breaker`] what leaves failing things alone. Above them stand [`port`], the traits
//! that the world implements, and [`policy`];
//! above them [`intake`] and [`engine`]; on top the [`scheduler`]. No arrow runs up. Beside them: [`log`], what executors
//! share about logs, and [`memory`], the stores in memory.
//!
//! # Features
//! | feature | brings |
//! |---|---|
//! | `failsafe` | the breaker with the policies and backoffs of the crate of that name |
//! | `webhooks` | `intake::webhook`: webhooks of GitHub, GitLab and Bitbucket, verified, read and decided |
//! | `testkit` | fakes with handles, a manual clock, mocks and the conformance suites of the ports; for tests only |
//! | `fault-proxy` | `testkit` and a TCP proxy that cuts, delays and swallows connections; for tests only |
//!
//! # Versions
//! The minimum supported Rust version is 1.95. Before 1.0 every minor version may break.

pub mod breaker;
pub mod engine;
pub mod intake;
pub mod log;
pub mod memory;
pub mod model;
pub mod policy;
pub mod port;
pub mod scheduler;
#[cfg(feature = "testkit")]
pub mod testkit;
