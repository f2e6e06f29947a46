//! How long a breaker stays open.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

type Times = Box<dyn Iterator<Item = Duration> + Send>;

/// How long a breaker stays open: the first time, and each time after a probe failed. When it closed, the next opening
/// starts over. After the last time of a series that ends, that one is repeated; an empty series is 1 s each.
///
/// ```
/// use std::time::Duration;
/// use netbuild_core::breaker::OpenTimes;
///
/// let times = OpenTimes::doubling(Duration::from_secs(1), Duration::from_secs(5));
/// let seconds: Vec<u64> = times.series().take(5).map(|time| time.as_secs()).collect();
/// assert_eq!(seconds, [1, 2, 4, 5, 5]);
/// ```
#[derive(Clone)]
pub struct OpenTimes {
    series: Arc<dyn Fn() -> Times + Send + Sync>,
}

impl OpenTimes {
    /// A series of yours, from its beginning after each recovery. The iterators of `failsafe::backoff` fit; take those
    /// without jitter, or the same run does not replay.
    pub fn from_series(series: impl Iterator<Item = Duration> + Clone + Send + Sync + 'static) -> Self {
        OpenTimes { series: Arc::new(move || Box::new(series.clone())) }
    }

    /// Always the same.
    pub fn constant(time: Duration) -> Self {
        Self::from_series(std::iter::repeat(time))
    }

    /// From `first`, each twice the one before, up to `longest`.
    pub fn doubling(first: Duration, longest: Duration) -> Self {
        Self::from_series(
            std::iter::successors(Some(first), |time| Some(time.saturating_mul(2))).map(move |time| time.min(longest)),
        )
    }

    /// Each time shortened by up to a half, by random numbers from this seed, so that many breakers around one server do
    /// not all come back at once. The same seed gives the same times, and after each recovery the same again.
    pub fn jittered(self, seed: u64) -> Self {
        let shortened = move || -> Times {
            let mut random = fastrand::Rng::with_seed(seed);
            Box::new((self.series)().map(move |time| time - (time / 2).mul_f64(random.f64())))
        };
        OpenTimes { series: Arc::new(shortened) }
    }

    /// The times one after the other, from the beginning.
    pub fn series(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        (self.series)()
    }
}

impl Default for OpenTimes {
    /// From 1 s to 1 min.
    fn default() -> Self {
        Self::doubling(Duration::from_secs(1), Duration::from_secs(60))
    }
}

impl fmt::Debug for OpenTimes {
    /// Shows the first few.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenTimes")?;
        f.debug_list().entries(self.series().take(4)).finish()
    }
}

/// The place in a series.
pub(super) struct Series {
    of: OpenTimes,
    rest: Times,
    last: Duration,
}

impl Series {
    pub(super) fn new(of: OpenTimes) -> Self {
        Series { rest: (of.series)(), last: Duration::from_secs(1), of }
    }

    pub(super) fn next_time(&mut self) -> Duration {
        self.last = self.rest.next().unwrap_or(self.last);
        self.last
    }

    pub(super) fn start_over(&mut self) {
        *self = Series::new(self.of.clone());
    }
}

impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Series").field("of", &self.of).field("last", &self.last).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ended_series_repeats_its_last_time_and_starts_over_after_recovery() {
        let [a, b] = [3, 5].map(Duration::from_secs);
        let mut series = Series::new(OpenTimes::from_series([a, b].into_iter()));
        assert_eq!([(); 3].map(|()| series.next_time()), [a, b, b]);
        series.start_over();
        assert_eq!(series.next_time(), a);
        assert_eq!(Series::new(OpenTimes::from_series(std::iter::empty())).next_time(), Duration::from_secs(1));
    }

    #[test]
    fn jitter_comes_from_the_seed_alone_and_shortens_by_less_than_half() {
        let plain = OpenTimes::doubling(Duration::from_secs(2), Duration::from_secs(600));
        let series = |seed| plain.clone().jittered(seed).series().take(40).collect::<Vec<_>>();
        assert_eq!(series(7), series(7));
        assert_ne!(series(7), series(8));
        for (jittered, plain) in series(7).into_iter().zip(plain.series()) {
            assert!(jittered <= plain && jittered >= plain / 2, "{jittered:?} of {plain:?}");
        }
    }
}
