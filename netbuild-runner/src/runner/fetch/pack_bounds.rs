//! What a pack may hold, and what is said of one that holds more.

use netbuild_core::model::JobRules;

/// The most bytes that an entry takes in the list of its folder: its mode, a name of 255 bytes, its id.
const MAX_ENTRY_BYTES: u64 = 300;

/// The most objects that are neither a file nor a folder: the commit and the tags that lead to it.
const MORE_OBJECTS: u64 = 1000;

/// Why a pack is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PackError {
    /// It holds more than the rules allow.
    #[error("{what}: {count}, and this host allows {bound} ({rule})")]
    TooMuch { what: &'static str, count: u64, bound: u64, rule: &'static str },
    /// It is none.
    #[error("the answer is malformed: {0}")]
    Malformed(&'static str),
}

/// What a pack may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackBounds {
    pub(super) objects: u64,
    /// Of a file.
    pub(super) file_bytes: u64,
    /// Of any object.
    pub(super) object_bytes: u64,
    /// Of all objects together.
    pub(super) bytes: u64,
}

impl PackBounds {
    /// The pack of one commit has an object for each file and folder at the most, and an entry for each in some list.
    pub(super) fn of(rules: &JobRules) -> Self {
        let objects = rules.source_files.saturating_mul(2).saturating_add(MORE_OBJECTS);
        let lists = objects.saturating_mul(MAX_ENTRY_BYTES);
        PackBounds {
            objects,
            file_bytes: rules.source_bytes,
            object_bytes: rules.source_object_bytes,
            bytes: rules.source_bytes.saturating_add(lists),
        }
    }

    /// Refuses an object that is too large.
    pub(super) fn object(self, what: &'static str, count: u64) -> Result<(), PackError> {
        within(what, count, self.object_bytes, "source_object_bytes")
    }
}

/// Refuses a count past a bound.
pub(super) fn within(what: &'static str, count: u64, bound: u64, rule: &'static str) -> Result<(), PackError> {
    if count > bound { Err(PackError::TooMuch { what, count, bound, rule }) } else { Ok(()) }
}
