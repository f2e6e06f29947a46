//! The model's values as SQLite keeps them.

use std::str::FromStr;
use std::time::Duration;

use netbuild_core::model::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Fault;

/// A number as SQLite's signed integer. Numbers above 2^63-1, which nothing here counts up to, become that.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number of items as SQLite's signed integer.
pub(super) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The number that [`int`] wrote.
pub(super) fn uint(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A time in milliseconds.
pub(super) fn millis(time: Timestamp) -> i64 {
    int(time.as_millis())
}

/// The time that [`millis`] wrote.
pub(super) fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(uint(millis))
}

/// The time a span after `now`, in milliseconds.
pub(super) fn millis_after(now: Timestamp, span: Duration) -> i64 {
    millis(now + span)
}

/// A value as JSON.
pub(super) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("structs and maps of strings are always JSON")
}

/// The value that [`to_json`] wrote in a column.
pub(super) fn from_json<T: DeserializeOwned>(column: &str, text: &str) -> Result<T, Fault> {
    // The place of the error, and not its text: that may repeat what stands there.
    serde_json::from_str(text).map_err(|error| {
        Fault::unreadable(format!("a value of {column} cannot be read at byte {} of {}", error.column(), text.len()))
    })
}

/// The value whose text is in a column.
pub(super) fn from_text<T: FromStr>(column: &str, text: &str) -> Result<T, Fault> {
    text.parse().map_err(|_| Fault::unreadable(format!("a value of {column} cannot be read")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_saturate_and_come_back() {
        assert_eq!(uint(int(42)), 42);
        assert_eq!(int(u64::MAX), i64::MAX);
        assert_eq!(uint(-1), 0);
        assert_eq!(millis_after(Timestamp::from_millis(5), Duration::MAX), i64::MAX);
    }

    #[test]
    fn an_unreadable_value_names_its_column_and_not_its_content() {
        let fault = from_json::<Timestamp>("build.record", "\"canary\"").unwrap_err();
        let Fault::Unreadable(error) = fault else { panic!("it cannot be read") };
        assert_eq!(error.to_string(), "a value of build.record cannot be read at byte 8 of 8");
    }
}
