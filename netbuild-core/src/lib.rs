//! x
pub mod engine;
pub mod model;
pub mod policy;
pub mod port;
