//! How often something may happen, as a plain value.

use std::time::Duration;

/// So many times at once, and one more time after each pause. Times are of one clock that never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    burst: u32,
    pause: Duration,
    /// When the burst is whole again. Each time moves it on by a pause.
    full_at: Duration,
}

impl Rate {
    /// Nothing has happened yet. A `per_second` of 0 counts as 1, and the burst is what a second allows.
    pub(super) fn new(per_second: u32) -> Self {
        let per_second = per_second.max(1);
        Rate { burst: per_second, pause: Duration::from_secs(1) / per_second, full_at: Duration::ZERO }
    }

    /// Whether it may happen now; then it counts.
    pub(super) fn take(&mut self, now: Duration) -> bool {
        let from = self.full_at.max(now);
        let allowed = from - now <= self.pause * (self.burst - 1);
        if allowed {
            self.full_at = from + self.pause;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_the_rate() {
        let mut rate = Rate::new(10);
        let mut taken = |millis| (0..100).filter(|_| rate.take(Duration::from_millis(millis))).count();
        assert_eq!(taken(0), 10);
        assert_eq!(taken(99), 0);
        assert_eq!(taken(100), 1);
        assert_eq!(taken(550), 4, "four more pauses have passed");
        assert_eq!(taken(100_000), 10, "rest is not saved up beyond the burst");
        assert!(Rate::new(0).take(Duration::ZERO), "never nothing at all");
    }
}
