//! A percentage that moves with the time.

use std::time::Duration;

use netbuild_core::model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Percentage;

/// A percentage that goes from one to another between two times, evenly, and stays there.
///
/// Each id changes sides at most once on the way, at a moment that [`when`](Self::when) tells beforehand. Times are
/// those of the process that evaluates: two processes differ by as much as their clocks do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ramp {
    /// The percentage until `start`.
    pub from: Percentage,
    /// The percentage from `end` on.
    pub to: Percentage,
    /// When it begins to move. In texts as RFC 3339 has it: `2026-01-31T08:00:00Z`.
    #[serde(with = "crate::rfc3339")]
    pub start: Timestamp,
    /// When it has arrived. Not later than `start`: everything moves at `start` at once.
    #[serde(with = "crate::rfc3339")]
    pub end: Timestamp,
}

impl Ramp {
    /// The percentage at a time.
    pub fn at(&self, now: Timestamp) -> Percentage {
        if now >= self.end && now >= self.start {
            return self.to;
        }
        let (from, to) = (self.from.hundredths(), self.to.hundredths());
        let moved = u128::from(from.abs_diff(to)) * u128::from(millis(now.since(self.start)))
            / u128::from(millis(self.end.since(self.start)).max(1));
        let moved = u16::try_from(moved).unwrap_or(u16::MAX);
        Percentage::from_hundredths(if from < to { from + moved } else { from - moved })
    }

    /// When an id in `bucket` changes sides: from then on it is in if the ramp goes up, and out if it goes down. `None`
    /// if it never does.
    pub fn when(&self, bucket: u16) -> Option<Timestamp> {
        if self.from.holds(bucket) == self.to.holds(bucket) {
            return None;
        }
        let from = self.from.hundredths();
        // How far the percentage must move until the bucket is on the other side.
        let moved = if from <= bucket { bucket - from + 1 } else { from - bucket };
        Some(self.time_of(moved))
    }

    /// When the percentage next differs from that at `now`.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let (now_at, from) = (self.at(now), self.from.hundredths());
        (now_at != self.to).then(|| self.time_of(now_at.hundredths().abs_diff(from) + 1))
    }

    /// The first time at which it has moved by so many hundredths, of those that it moves at all.
    fn time_of(&self, moved: u16) -> Timestamp {
        let way = u128::from(self.from.hundredths().abs_diff(self.to.hundredths()));
        let time = (u128::from(moved) * u128::from(millis(self.end.since(self.start)))).div_ceil(way);
        self.start + Duration::from_millis(u64::try_from(time).unwrap_or(u64::MAX))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
