//! Which phase the attempt is in, and how long each took.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use netbuild_core::model::{PhaseTime, RunPhase, Timestamp};
use netbuild_core::port::Clock;
use tokio::sync::watch;

/// The phases so far.
#[derive(Debug)]
pub(super) struct Progress {
    clock: Arc<dyn Clock>,
    now: watch::Sender<RunPhase>,
    times: Mutex<Times>,
}

#[derive(Debug, Default)]
struct Times {
    over: Vec<PhaseTime>,
    open: Option<(RunPhase, Timestamp, Duration)>,
}

impl Times {
    fn close(&mut self, now: Duration) {
        if let Some((phase, began_at, began)) = self.open.take() {
            let millis = u64::try_from(now.saturating_sub(began).as_millis()).unwrap_or(u64::MAX);
            self.over.push(PhaseTime { phase, began_at, millis });
        }
    }
}

impl Progress {
    /// Nothing has begun; heartbeats name the first phase.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Progress { clock, now: watch::Sender::new(RunPhase::Fetch), times: Mutex::default() }
    }

    /// Ends the phase before and begins `phase`.
    pub(super) fn begin(&self, phase: RunPhase) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.close(self.clock.monotonic());
        times.open = Some((phase, self.clock.now(), self.clock.monotonic()));
        drop(times);
        self.now.send_replace(phase);
    }

    /// Ends the last phase and tells all of them.
    pub(super) fn finish(&self) -> Vec<PhaseTime> {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.close(self.clock.monotonic());
        times.over.clone()
    }

    /// The current phase, and its changes.
    pub(super) fn watch(&self) -> watch::Receiver<RunPhase> {
        self.now.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Each look at it is a second later; its wall clock stands still.
    #[derive(Debug, Default)]
    struct Ticking(AtomicU64);

    impl Clock for Ticking {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(7)
        }

        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.0.fetch_add(1, Ordering::Relaxed))
        }
    }

    #[test]
    fn every_phase_is_timed_in_order() {
        let progress = Progress::new(Arc::new(Ticking::default()));
        progress.begin(RunPhase::Fetch);
        progress.begin(RunPhase::Run);
        assert_eq!(*progress.watch().borrow(), RunPhase::Run);
        let times = progress.finish();
        assert_eq!(
            times.iter().map(|time| (time.phase, time.millis)).collect::<Vec<_>>(),
            [(RunPhase::Fetch, 1000), (RunPhase::Run, 1000)]
        );
        assert_eq!(progress.finish(), times, "finished once");
    }
}
