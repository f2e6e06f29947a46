//! The driver over stores in memory, in paused time.

#![expect(clippy::unwrap_used, reason = "this is a test")]

mod canary;
mod flow;
mod logs;
mod order;
mod world;
