//! The runner's program against real repositories, a real smart-HTTP Git server and the real gateway.
//!
//! The tests use the `git` program to make repositories and to serve them; the runner itself never starts it: the `git` in
//! its search path would betray it. Without `git` the tests fail and say so.

#![expect(clippy::unwrap_used, reason = "tests and their helpers may panic")]

mod bench;
mod collect;
mod command;
mod control;
mod fetch;
mod git_server;
mod intake;
mod lease;
mod repository;
