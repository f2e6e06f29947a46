//! A clock that stands still.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::model::Timestamp;
use crate::port::Clock;

/// A clock that moves only when it is told to. Clones share one time.
///
/// ```
/// use std::time::Duration;
/// use netbuild_core::model::Timestamp;
/// use netbuild_core::port::Clock;
/// use netbuild_core::testkit::ManualClock;
///
/// let clock = ManualClock::new(Timestamp::from_millis(1_000));
/// clock.advance(Duration::from_secs(2));
/// assert_eq!(clock.now(), Timestamp::from_millis(3_000));
/// assert_eq!(clock.monotonic(), Duration::from_secs(2));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    time: Arc<Mutex<Time>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Time {
    now: Timestamp,
    monotonic: Duration,
}

impl ManualClock {
    /// A clock that stands at `now`; its monotonic time stands at zero.
    pub fn new(now: Timestamp) -> Self {
        ManualClock { time: Arc::new(Mutex::new(Time { now, monotonic: Duration::ZERO })) }
    }

    /// Lets time pass: the wall clock and the monotonic time move together.
    pub fn advance(&self, time: Duration) {
        let mut current = self.time();
        current.now = current.now + time;
        current.monotonic = current.monotonic.saturating_add(time);
    }

    /// Sets the wall clock, forwards or back, as an operator or a time server does. The monotonic time does not move.
    pub fn set(&self, now: Timestamp) {
        self.time().now = now;
    }

    fn time(&self) -> MutexGuard<'_, Time> {
        self.time.lock().expect("nothing panics while it holds this lock")
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.time().now
    }

    fn monotonic(&self) -> Duration {
        self.time().monotonic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_may_jump_back_and_the_monotonic_time_does_not() {
        let clock = ManualClock::new(Timestamp::from_millis(500));
        let shared = clock.clone();
        clock.advance(Duration::from_millis(10));
        clock.set(Timestamp::from_millis(100));
        assert_eq!((shared.now(), shared.monotonic()), (Timestamp::from_millis(100), Duration::from_millis(10)));
    }
}
