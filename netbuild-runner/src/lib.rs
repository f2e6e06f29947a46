//! The runner of netbuild and the gateway that it reports to.

#[cfg(feature = "gateway")]
pub mod gateway;
pub mod protocol;
#[cfg(feature = "runner")]
pub mod runner;
