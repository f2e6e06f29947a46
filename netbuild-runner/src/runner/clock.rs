//! The clock that a runner counts its lease by.

use std::time::Duration;

use netbuild_core::model::Timestamp;
use netbuild_core::port::{Clock, SystemClock};
use rustix::time::{ClockId, clock_gettime};

/// The time since the machine was started, the time in which it was suspended included: a virtual machine that is paused and
/// goes on later must find its lease over, as everybody else does. [`SystemClock`] stands still meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BootClock {
    wall: SystemClock,
}

impl Clock for BootClock {
    fn now(&self) -> Timestamp {
        self.wall.now()
    }

    fn monotonic(&self) -> Duration {
        // The kernel gives neither a negative time nor a second of more than a billion nanoseconds.
        Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_from_the_machines_start() {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        let clock = BootClock::default();
        let (first, second) = (clock.monotonic(), clock.monotonic());
        assert!(
            first <= second && first.as_secs_f64() >= uptime,
            "{uptime} s were over before, suspended ones included"
        );
    }
}
