//! How stores in databases write what they keep: as JSON, a thing a row.

use netbuild_core::model::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::change::undo;
use super::{Revision, StoreError};
use crate::Definitions;

/// A revision as a row, and what it changed as the text of another.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) number: i64,
    pub(super) at: i64,
    pub(super) who: String,
    pub(super) why: String,
    pub(super) changed: String,
}

impl Row {
    pub(super) fn read(self) -> Result<Revision, StoreError> {
        let (number, at) = (unsigned(self.number), Timestamp::from_millis(unsigned(self.at)));
        Ok(Revision { number, at, who: self.who, why: self.why, changed: read(&self.changed)? })
    }
}

pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Damaged(error.into()))
}

pub(super) fn written<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("definitions have texts as keys and no number that JSON has not")
}

/// Definitions at an earlier revision, from the newest and all revisions since, the newest first.
pub(super) fn before(mut newest: Definitions, since: Vec<Revision>) -> Definitions {
    since.into_iter().for_each(|revision| undo(&mut newest, revision.changed));
    newest
}

/// Numbers and times of databases; none of ours is negative or large.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
