//! Executors of netbuild for machines.
//!
//! [`process::ProcessExecutor`] runs attempts as process groups of this host: for a single machine, for development and
//! for tests. It keeps to the whole contract of the [`Executor`](netbuild_core::port::Executor) port; attempts outlive the
//! scheduler, and one that is started again finds them.
//!
//! # Features
//! - `process` (default): the process executor. Linux only.

#[cfg(feature = "process")]
pub mod process;
