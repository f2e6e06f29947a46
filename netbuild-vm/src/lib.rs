//! Executors of netbuild for machines.
//!
//! [`process::ProcessExecutor`] runs attempts as process groups of this host: for a single machine, for development and
//! for tests. It keeps to the whole contract of the [`Executor`](netbuild_core::port::Executor) port; attempts outlive the
//! scheduler, and one that is started again finds them.
//!
//! [`docker::DockerExecutor`] runs them as containers of a fleet of Docker hosts, and keeps builds from hosts that hang.
//!
//! # Features
//! - `docker`: the Docker executor.
//! - `process` (default): the process executor. Linux only.

#[cfg(any(feature = "docker", feature = "process"))]
mod escalation;
#[cfg(any(feature = "docker", feature = "process"))]
mod fence;
#[cfg(any(feature = "docker", feature = "process"))]
mod verdict;

#[cfg(feature = "docker")]
pub mod docker;
#[cfg(feature = "process")]
pub mod process;
