//! How fast a backlog is drained.

use std::num::NonZeroU32;
use std::time::Duration;

/// Calm or draining: pure, told what happened.
///
/// A broker that has just come back is as weak as it will ever be, so a backlog goes to it at a bounded rate. In calm times
/// nothing waits. A publisher begins draining, because it may have been the one that failed.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Option<NonZeroU32>,
    draining: bool,
}

impl Pace {
    pub(super) fn new(rate: Option<NonZeroU32>) -> Self {
        Pace { rate, draining: true }
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining
    }

    /// A publish failed: what is pending is a backlog now.
    pub(super) fn failed(&mut self) {
        self.draining = true;
    }

    /// Nothing is pending any more.
    pub(super) fn emptied(&mut self) {
        self.draining = false;
    }

    /// How long to wait after so many messages.
    pub(super) fn after(&self, sent: u64) -> Duration {
        match self.rate {
            Some(rate) if self.draining => {
                Duration::from_secs(1) * u32::try_from(sent).unwrap_or(u32::MAX) / rate.get()
            }
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_backlog_is_paced() {
        let mut pace = Pace::new(NonZeroU32::new(100));
        assert_eq!(pace.after(50), Duration::from_millis(500), "what a restart finds is a backlog");
        pace.emptied();
        assert_eq!((pace.after(50), pace.is_draining()), (Duration::ZERO, false));
        pace.failed();
        assert_eq!((pace.after(1), pace.is_draining()), (Duration::from_millis(10), true));
        assert_eq!(pace.after(0), Duration::ZERO);
        let mut unbounded = Pace::new(None);
        unbounded.failed();
        assert_eq!(unbounded.after(1_000), Duration::ZERO);
    }
}
