//! Docker hosts: machines of their own as far as Docker can tell, each with a daemon.

mod daemon;
mod machine;

pub use daemon::{DockerDaemon, DockerOptions};
