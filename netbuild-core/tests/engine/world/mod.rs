//! A world around the engine: ledger, executors, runners and a gateway, all of which fail, and crashes of the engine itself.

pub(crate) mod dice;
mod executors;
mod fate;
mod ledger;
mod process;
mod runners;
mod scheduler;

pub(crate) use scheduler::{BOUNDS, World};
