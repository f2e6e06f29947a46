//! The SQLite store keeps the contracts of its ports, also through what happens to files and processes.

#![expect(clippy::unwrap_used, reason = "this is a test")]

mod conform;
mod crash;
mod files;
mod forward;
#[cfg(target_os = "linux")]
mod needs_root;
mod support;
mod thread;
