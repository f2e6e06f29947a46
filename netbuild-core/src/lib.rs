//! x
pub mod log;
pub mod model;
pub mod policy;
pub mod port;
