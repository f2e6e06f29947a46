//! Fetching the source into the workspace: without a `git` program, and without a look at the machine's Git
//! configuration or environment.
//!
//! `http` and `https` speak Git's smart protocol; `ssh` speaks it through the image's `ssh` program, `file` reads the
//! repository's objects where they are. All end in the same checkout of one commit's tree.
//!
//! # What is refused, by name and before the command
//! - A redirect to another scheme, host or port, and one in the middle of a fetch. A redirect on the same host, as for a
//!   renamed repository, is followed.
//! - More files or bytes than the rules allow, and a list of refs over 8 MiB.
//! - Paths that Git never makes: `..`, `.git` in any spelling, a file below a link.
//! - Submodules, files kept by Git LFS, SHA-256 repositories, and `ssh` where there is no such program or the host's key is not known.
//! - A server that no root certificate vouches for. Which ones count is said in `roots`.

mod checkout;
mod error;
mod exchange;
mod http;
mod local;
mod names;
mod pack;
mod pack_lines;
mod pack_stream;
mod source;
mod ssh;
mod ssh_folder;
mod tree;
mod tree_rules;
mod wire;

pub(super) use source::fetch;
