//! Percentages in steps of a hundredth.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A percentage from 0% to 100% in steps of 0.01%.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percentage(u16);

/// A number that is no [`Percentage`].
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} is no percentage: 0 to 100 in steps of 0.01")]
pub struct InvalidPercentage(pub f64);

impl Percentage {
    /// How many steps make 100%.
    pub const STEPS: u16 = 10_000;
    /// Nobody.
    pub const NONE: Percentage = Percentage(0);
    /// Everybody.
    pub const ALL: Percentage = Percentage(Self::STEPS);

    /// So many hundredths of a percent; above 10,000 it is 10,000.
    pub const fn from_hundredths(hundredths: u16) -> Self {
        Percentage(if hundredths > Self::STEPS { Self::STEPS } else { hundredths })
    }

    /// In hundredths of a percent, 0 to 10,000.
    pub const fn hundredths(self) -> u16 {
        self.0
    }

    /// Whether an id in `bucket` ([`account_bucket`](crate::account_bucket)) is within it.
    pub const fn holds(self, bucket: u16) -> bool {
        bucket < self.0
    }
}

impl TryFrom<f64> for Percentage {
    type Error = InvalidPercentage;

    /// Takes 12.34 as 12.34%.
    fn try_from(number: f64) -> Result<Self, InvalidPercentage> {
        let hundredths = (number * 100.0).round();
        // What is no hundredth is told, not rounded: 0.001% would silently be nobody.
        if !(0.0..=f64::from(Self::STEPS)).contains(&hundredths) || (number * 100.0 - hundredths).abs() > 1e-6 {
            return Err(InvalidPercentage(number));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number from 0 to 10,000")]
        let hundredths = hundredths as u16;
        Ok(Percentage(hundredths))
    }
}

impl From<Percentage> for f64 {
    fn from(percentage: Percentage) -> f64 {
        f64::from(percentage.0) / 100.0
    }
}

impl fmt::Display for Percentage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(*self))
    }
}

impl Serialize for Percentage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        f64::from(*self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Percentage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Percentage::try_from(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_read_as_it_is_written_and_nothing_between() {
        for hundredths in 0..=Percentage::STEPS {
            let percentage = Percentage::from_hundredths(hundredths);
            let text = serde_json::to_string(&percentage).unwrap();
            assert_eq!(serde_json::from_str::<Percentage>(&text).unwrap(), percentage, "{text}");
        }
        for number in [-0.01, 100.01, 0.001, 12.345, f64::NAN, f64::INFINITY, 1e300] {
            assert!(Percentage::try_from(number).is_err(), "{number}");
        }
        assert_eq!(Percentage::from_hundredths(1_234).to_string(), "12.34%");
        assert_eq!(Percentage::ALL.to_string(), "100%");
        assert_eq!(Percentage::from_hundredths(60_000), Percentage::ALL);
    }
}
