//! x
pub mod engine;
pub mod intake;
pub mod model;
pub mod policy;
pub mod port;
pub mod scheduler;
