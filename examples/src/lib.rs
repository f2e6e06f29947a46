//! What the examples of netbuild share: a site to build, progress for people, a summary for programs.

pub mod progress;
pub mod site;
pub mod summary;
