//! How long a breaker stays open: longer each time.

use std::time::Duration;

use super::config::BreakerConfig;

/// Open times that double up to a bound, with a random part if there is a seed.
#[derive(Debug)]
pub(super) struct OpenTime {
    first: Duration,
    max: Duration,
    next: Duration,
    random: Option<u64>,
}

impl OpenTime {
    pub(super) fn new(config: &BreakerConfig) -> Self {
        let first = config.open_first.min(config.open_max);
        OpenTime { first, max: config.open_max, next: first, random: config.jitter }
    }

    /// The next time, longer than the one before.
    pub(super) fn next(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.max);
        match &mut self.random {
            Some(state) => whole / 2 + (whole / 2).mul_f64(unit(state)),
            None => whole,
        }
    }

    /// It closed: the first time is next.
    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }
}

/// The next of a sequence of random numbers between 0 and 1 (SplitMix64).
fn unit(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    // The upper 53 bits: as many as a float keeps.
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
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
