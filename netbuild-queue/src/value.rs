//! The model's values as databases keep them.

use std::str::FromStr;

use netbuild_core::model::{BuildState, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A number as a database's signed integer. Numbers above 2^63-1, which nothing here counts up to, become that.
pub(crate) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number of items as a database's signed integer.
pub(crate) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The number that [`int`] wrote.
pub(crate) fn uint(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A time in milliseconds.
pub(crate) fn millis(time: Timestamp) -> i64 {
    int(time.as_millis())
}

/// The time that [`millis`] wrote.
pub(crate) fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(uint(millis))
}

/// A value as JSON.
pub(crate) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("structs and maps of strings are always JSON")
}

/// A column holds what was not written there. Names the column, and nothing of what stands in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreadable(pub(crate) String);

/// The value that [`to_json`] wrote in a column.
pub(crate) fn from_json<T: DeserializeOwned>(column: &str, text: &str) -> Result<T, Unreadable> {
    // The place of the error, and not its text: that may repeat what stands there.
    serde_json::from_str(text).map_err(|error| {
        Unreadable(format!("a value of {column} cannot be read at byte {} of {}", error.column(), text.len()))
    })
}

/// The value whose text is in a column.
pub(crate) fn from_text<T: FromStr>(column: &str, text: &str) -> Result<T, Unreadable> {
    text.parse().map_err(|_| Unreadable(format!("a value of {column} cannot be read")))
}

/// The name of a build's state in the column `state`.
pub(crate) fn state(state: &BuildState) -> &'static str {
    match state {
        BuildState::Queued { .. } => "queued",
        BuildState::Live { .. } => "live",
        BuildState::Activating { .. } => "activating",
        BuildState::Ended { .. } => "ended",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn numbers_saturate_and_come_back() {
        assert_eq!(uint(int(42)), 42);
        assert_eq!(int(u64::MAX), i64::MAX);
        assert_eq!(uint(-1), 0);
        assert_eq!(millis(Timestamp::from_millis(5) + Duration::MAX), i64::MAX);
    }

    #[test]
    fn an_unreadable_value_names_its_column_and_not_its_content() {
        let error = from_json::<Timestamp>("build.record", "\"canary\"").unwrap_err();
        assert_eq!(error.to_string(), "a value of build.record cannot be read at byte 8 of 8");
    }
}
