//! Attempts as containers of a fleet of Docker hosts.

mod archive;
mod daemon;
mod executor;
mod fleet;
mod host;
mod judge;
mod keyed;
mod labels;
mod member;
mod options;
pub mod place;
mod pull;
mod spec;
mod start;
mod watch;

pub use executor::{DockerExecutor, OpenError};
pub use host::{Capacity, DockerHost, Endpoint, HostList, HostPool, HostPoolError, Hosts};
pub use options::{DockerOptions, Isolation, Network};
