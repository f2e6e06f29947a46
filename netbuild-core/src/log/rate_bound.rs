//! The bound of a log's rate.

use std::time::Duration;

/// A token bucket: how fast a log may grow. It only counts; who writes the log does the waiting, and so lets the command
/// wait on its pipe. Nothing is lost by this bound.
///
/// The bucket holds one second's bytes. A write takes its bytes out at once, more than there are if need be; the answer
/// is how long to wait until that is made good.
///
/// ```
/// use std::time::Duration;
/// use netbuild_core::log::RateBound;
///
/// let mut bound = RateBound::new(1_000);
/// let start = Duration::ZERO;
/// assert_eq!(bound.take(1_000, start), Duration::ZERO, "a burst");
/// assert_eq!(bound.take(500, start), Duration::from_millis(500));
/// assert_eq!(bound.take(0, start + Duration::from_millis(500)), Duration::ZERO);
/// ```
#[derive(Clone, Debug)]
pub struct RateBound {
    bytes_per_second: u64,
    /// When the bucket is full again, if nothing more is taken.
    full_at: Duration,
}

/// What the bucket holds, as the time in which it fills.
const BURST: Duration = Duration::from_secs(1);

impl RateBound {
    /// A full bucket that gets `bytes_per_second`; 0 is taken as 1.
    pub fn new(bytes_per_second: u64) -> Self {
        RateBound { bytes_per_second: bytes_per_second.max(1), full_at: Duration::ZERO }
    }

    /// Takes bytes out at a monotonic time, and says how long to wait before the next.
    pub fn take(&mut self, bytes: u64, now: Duration) -> Duration {
        self.full_at = self.full_at.max(now).saturating_add(self.time_of(bytes));
        self.full_at.saturating_sub(now).saturating_sub(BURST)
    }

    /// In how much time so many bytes come in.
    fn time_of(&self, bytes: u64) -> Duration {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn idle_time_saves_up_one_burst_and_no_more() {
        let mut bound = RateBound::new(10);
        let at = Duration::from_secs;
        assert_eq!(bound.take(10, at(100)), Duration::ZERO);
        assert_eq!(bound.take(10, at(100)), at(1));
        assert_eq!(bound.take(10, at(1_000)), Duration::ZERO);
        assert_eq!(bound.take(10, at(1_000)), at(1), "the idle quarter of an hour counts as one second");
    }

    #[test]
    fn no_numbers_break_it() {
        assert_eq!(RateBound::new(u64::MAX).take(u64::MAX, Duration::MAX), Duration::ZERO);
        assert!(RateBound::new(0).take(u64::MAX, Duration::ZERO) > Duration::from_secs(1 << 33));
    }

    proptest! {
        /// Whoever waits as told never passes the rate by more than the burst and the last write.
        #[test]
        fn the_rate_holds(writes in prop::collection::vec((0u64..5_000, 0u64..2_000), 1..50)) {
            let (mut bound, mut now, mut taken) = (RateBound::new(1_000), Duration::ZERO, 0);
            for (bytes, idle_millis) in writes {
                let allowed = u64::try_from(now.as_millis()).unwrap() + 1_000;
                prop_assert!(taken <= allowed, "{taken} of {allowed} at {now:?}");
                taken += bytes;
                now += bound.take(bytes, now) + Duration::from_millis(idle_millis);
            }
        }
    }
}
