//! x
pub mod log;
pub mod memory;
pub mod model;
pub mod policy;
pub mod port;
#[cfg(feature = "testkit")]
pub mod testkit;
