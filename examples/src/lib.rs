//! What the examples of netbuild share: a site to build, progress for people, a summary for programs.

pub mod faults;
pub mod host;
pub mod progress;
pub mod site;
pub mod summary;

/// The examples of the README, so that they compile and hold.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct Readme;
