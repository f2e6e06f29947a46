//! Fetching the source into the workspace: pure Rust, without a `git` program, and without a look at the machine's Git
//! configuration or environment.
//!
//! `http` and `https` speak Git's smart protocol; `file` reads the repository's objects where they are. Both end in the
//! same checkout of one commit's tree.

mod checkout;
mod error;
mod exchange;
mod http;
mod local;
mod names;
mod source;
mod tree;
mod wire;

pub(super) use source::fetch;
