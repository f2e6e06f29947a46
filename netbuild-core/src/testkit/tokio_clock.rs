//! A clock that follows tokio's time.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::Timestamp;
use crate::port::Clock;

/// A clock that starts at a given time and moves with [`tokio::time`]: in a test with paused time it jumps from timer to
/// timer as the sleeps do, so a driver and its clock always agree.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    start: Timestamp,
    origin: Instant,
}

impl TokioClock {
    /// A clock that shows `start` now. Its monotonic time starts at zero.
    pub fn new(start: Timestamp) -> Self {
        TokioClock { start, origin: Instant::now() }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        self.start + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_moves_with_paused_time() {
        let clock = TokioClock::new(Timestamp::from_millis(1_000));
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(clock.now(), Timestamp::from_millis(6_000));
        assert_eq!(clock.monotonic(), Duration::from_secs(5));
    }
}
