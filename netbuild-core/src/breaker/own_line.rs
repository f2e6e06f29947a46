//! A counter that many threads write.

use std::ops::Deref;

use super::sync::AtomicU64;

/// Shares its cache lines (two are fetched at a time) with nothing that other threads only read.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct OwnLine(AtomicU64);

impl Default for OwnLine {
    fn default() -> Self {
        OwnLine(AtomicU64::new(0))
    }
}

impl Deref for OwnLine {
    type Target = AtomicU64;

    fn deref(&self) -> &AtomicU64 {
        &self.0
    }
}
