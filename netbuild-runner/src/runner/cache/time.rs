//! How long caches may take, and what ends them before.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use netbuild_core::model::Failure;
use tokio::time::Instant;

use crate::runner::blocking;
use crate::runner::stop::{Stop, StopReason};

/// Until when work on caches goes on.
#[derive(Debug)]
pub(super) struct Time<'a> {
    stop: &'a Stop,
    length: Duration,
    end: Instant,
}

/// Why work on a cache ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The attempt has to stop.
    Stopped(StopReason),
    /// The time for caches is over; this is how long it was.
    Late(Duration),
}

impl<'a> Time<'a> {
    /// From now on so long, unless the signal is given before.
    pub(super) fn new(stop: &'a Stop, length: Duration) -> Self {
        Time { stop, length, end: Instant::now() + length }
    }

    /// Waits for the end.
    async fn over(&self) -> Cut {
        tokio::select! {
            biased;
            reason = self.stop.asked() => Cut::Stopped(reason),
            () = tokio::time::sleep_until(self.end) => Cut::Late(self.length),
        }
    }

    /// Does `work` until the end, which drops it.
    pub(super) async fn within<T>(&self, work: impl Future<Output = T>) -> Result<T, Cut> {
        tokio::select! {
            biased;
            cut = self.over() => Err(cut),
            done = work => Ok(done),
        }
    }

    /// Does work that blocks a thread until the end, when the flag that it was given becomes true. The failure is that of
    /// a panic.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&AtomicBool) -> T + Send + 'static,
    ) -> Result<Result<T, Failure>, Cut> {
        blocking::run_until(self.over(), move |interrupt| Ok(work(interrupt))).await
    }
}
