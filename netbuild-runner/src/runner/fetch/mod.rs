//! Fetching the source into the workspace: without a `git` program, and without a look at the machine's Git
//! configuration or environment.
//!
//! `http` and `https` speak Git's smart protocol; `ssh` speaks it through the image's `ssh` program, `file` reads the
//! repository's objects where they are. All end in the same checkout of one commit's tree.
//!
//! # What is refused, by name and before the command
//! - A redirect to another scheme, host or port, and one in the middle of a fetch. A redirect on the same host, as for a
//!   renamed repository, is followed.
//! - More files, folders or bytes than the rules allow, and a list of refs over 8 MiB.
//! - Paths that Git never makes: `..`, `.git` in any spelling, a file below a link; and what no disk holds: names over 255
//!   bytes, paths and links' targets over 4,095, more than 1,000 folders in each other.
//! - Objects that are missing, damaged, or not what the commit says that they are, and modes that Git does not know.
//! - Submodules, files kept by Git LFS, SHA-256 repositories, and `ssh` where there is no such program or the host's key is not known.
//! - A server that no root certificate vouches for. Which ones count is said in `roots`.
//!
//! # How much memory it takes
//! As much as two or three copies of the largest file, which `JobRules::source_object_bytes` bounds. Nothing else grows with
//! what a repository holds or claims to hold but for tables of some hundred bytes a file, which `JobRules::source_files`
//! bounds, and for the objects that a pack gives as differences from each other: a pack in which one leads over others of
//! more than 1 GiB is refused.
//! - `pack_stream` looks at a pack as it comes, and refuses it before its objects are put together.
//! - `tree` walks through the commit's tree and refuses it before anything is made of it; so it also does for `file`.
//! - gix itself is told the most that it may take for one object.

mod checkout;
mod error;
mod exchange;
mod http;
mod local;
mod names;
mod pack;
mod pack_bounds;
mod pack_heads;
mod pack_lines;
mod pack_stream;
mod source;
mod ssh;
mod ssh_folder;
mod tree;
mod tree_rules;
mod wire;

pub(super) use source::fetch;
