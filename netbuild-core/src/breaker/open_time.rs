//! How long a breaker stays open: longer each time.

use std::time::Duration;

use super::config::BreakerConfig;

/// Open times that double up to a bound, with a random part if there is a seed.
#[derive(Debug)]
pub(super) struct OpenTime {
    first: Duration,
    max: Duration,
    next: Duration,
    random: Option<fastrand::Rng>,
}

impl OpenTime {
    pub(super) fn new(config: &BreakerConfig) -> Self {
        let first = config.open_first.min(config.open_max);
        OpenTime { first, max: config.open_max, next: first, random: config.jitter.map(fastrand::Rng::with_seed) }
    }

    /// The next time, longer than the one before.
    pub(super) fn next(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.max);
        match &mut self.random {
            Some(random) => whole / 2 + (whole / 2).mul_f64(random.f64()),
            None => whole,
        }
    }

    /// It closed: the first time is next.
    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(config: &BreakerConfig) -> Vec<Duration> {
        let mut open = OpenTime::new(config);
        (0..8).map(|_| open.next()).collect()
    }

    #[test]
    fn times_double_up_to_their_bound_and_begin_anew() {
        let config = BreakerConfig::default();
        assert_eq!(times(&config), [1, 2, 4, 8, 16, 30, 30, 30].map(Duration::from_secs));
        let mut open = OpenTime::new(&config);
        open.next();
        open.next();
        open.reset();
        assert_eq!(open.next(), Duration::from_secs(1));
    }

    #[test]
    fn a_seed_spreads_them_over_their_upper_half_and_says_the_same_each_time() {
        let plain = BreakerConfig::default();
        let seeded = |seed| BreakerConfig { jitter: Some(seed), ..plain.clone() };
        for (spread, whole) in times(&seeded(7)).into_iter().zip(times(&plain)) {
            assert!((whole / 2..=whole).contains(&spread), "{spread:?} of {whole:?}");
        }
        assert_eq!(times(&seeded(7)), times(&seeded(7)));
        assert_ne!(times(&seeded(7)), times(&seeded(8)));
    }

    #[test]
    fn a_first_time_above_the_bound_is_the_bound() {
        let config = BreakerConfig { open_max: Duration::from_millis(5), ..BreakerConfig::default() };
        assert_eq!(times(&config), [Duration::from_millis(5); 8]);
    }
}
