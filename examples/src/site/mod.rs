//! A small real site in a Git repository of its own: Markdown pages, and a build script that turns them into HTML with
//! `sh`, `sed` and `awk` alone.
//!
//! The pages come from a fixed seed and the commits carry fixed times, so commit ids and digests are the same wherever
//! and whenever it is made.

mod pages;
mod repository;

pub use pages::{PAGES, State, files};
pub use repository::{Site, SiteError};

/// The command that builds the site.
pub const COMMAND: &str = "sh build.sh";

/// The folder in which the command leaves the site.
pub const PUBLISH: &str = "public";
