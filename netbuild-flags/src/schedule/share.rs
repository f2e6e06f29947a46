//! A part of all accounts or projects, fixed or on its way.

use std::fmt;

use netbuild_core::model::Timestamp;
use serde::de::{Deserializer, Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Ramp, Steps};
use crate::Percentage;

/// A part of all accounts or of all projects.
///
/// In texts a number is a percentage, a table with `steps` is [`Steps`], and another table a [`Ramp`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Share {
    /// A percentage.
    Fixed(Percentage),
    /// One that moves with the time.
    Ramp(Ramp),
    /// One that is raised step by step.
    Steps(Steps),
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadShare)
    }
}

/// An untagged enum would say of every mistake that nothing matched.
struct ReadShare;

impl<'de> Visitor<'de> for ReadShare {
    type Value = Share;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a percentage, or a table with `steps`, or one with `from`, `to`, `start` and `end`")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Share, E> {
        Percentage::try_from(number).map(Share::Fixed).map_err(E::custom)
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers that lose anything are far above 100")]
    fn visit_i64<E: Error>(self, number: i64) -> Result<Share, E> {
        self.visit_f64(number as f64)
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers that lose anything are far above 100")]
    fn visit_u64<E: Error>(self, number: u64) -> Result<Share, E> {
        self.visit_f64(number as f64)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Share, A::Error> {
        let table = Value::deserialize(MapAccessDeserializer::new(map))?;
        let share = if table.get("steps").is_some() {
            serde_json::from_value(table).map(Share::Steps)
        } else {
            serde_json::from_value(table).map(Share::Ramp)
        };
        share.map_err(A::Error::custom)
    }
}

impl Share {
    /// The percentage at a time.
    pub fn at(&self, now: Timestamp) -> Percentage {
        match self {
            Share::Fixed(percentage) => *percentage,
            Share::Ramp(ramp) => ramp.at(now),
            Share::Steps(steps) => steps.now(),
        }
    }

    /// When the percentage next changes by itself.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Share::Ramp(ramp) => ramp.next_change(now),
            Share::Fixed(_) | Share::Steps(_) => None,
        }
    }
}

impl Default for Share {
    fn default() -> Self {
        Share::Fixed(Percentage::NONE)
    }
}
