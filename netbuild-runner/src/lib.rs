//! The runner of netbuild and the gateway that it reports to.

pub mod protocol;
#[cfg(feature = "runner")]
pub mod runner;
