//! The lease as a plain value: until when a runner may work without an answer from the gateway.

use std::time::Duration;

/// A lease. All times are of one monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    /// When the heartbeat was sent that was answered last; the runner's start before the first answer.
    from: Duration,
    length: Duration,
    /// Whether the last heartbeat was answered.
    answered: bool,
}

/// The shortest and the longest pause after a heartbeat without an answer.
const RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

impl Lease {
    /// The lease that a runner begins with.
    pub(super) fn new(now: Duration, length: Duration) -> Self {
        Lease { from: now, length, answered: false }
    }

    /// A heartbeat that was sent at `sent` was answered with a lease of `length`. It counts from the sending, not from
    /// the answer: the other side counts from when it heard of it.
    pub(super) fn answered(&mut self, sent: Duration, length: Duration) {
        *self = Lease { from: sent, length, answered: true };
    }

    /// A heartbeat got no answer.
    pub(super) fn unanswered(&mut self) {
        self.answered = false;
    }

    /// Whether the last heartbeat was answered.
    pub(super) fn is_answered(&self) -> bool {
        self.answered
    }

    /// How long the runner may still work; zero: it must stop. A tenth of the lease is kept back for the stopping.
    pub(super) fn left(&self, now: Duration) -> Duration {
        let usable = self.length - self.length / 10;
        self.from.saturating_add(usable).saturating_sub(now)
    }

    /// How long to wait for the answer to a heartbeat that is sent now.
    pub(super) fn patience(&self, now: Duration) -> Duration {
        (self.length / 4).min(self.left(now))
    }

    /// The pause before the next heartbeat: a quarter of the lease after an answer, short after none.
    pub(super) fn pause(&self, now: Duration) -> Duration {
        let pause = if self.answered { self.length / 4 } else { (self.length / 16).clamp(RETRY.0, RETRY.1) };
        pause.min(self.left(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_lease_counts_from_the_sending_and_ends_a_tenth_early() {
        let mut lease = Lease::new(secs(100), secs(60));
        assert_eq!(lease.left(secs(100)), secs(54));
        assert_eq!(lease.left(secs(153)), secs(1));
        assert_eq!(lease.left(secs(154)), Duration::ZERO);
        assert_eq!(lease.left(secs(1000)), Duration::ZERO);
        lease.answered(secs(110), secs(20));
        assert_eq!(lease.left(secs(120)), secs(8), "whenever the answer came");
    }

    #[test]
    fn pauses_and_patience_never_pass_the_end() {
        let mut lease = Lease::new(secs(0), secs(60));
        assert_eq!(lease.pause(secs(0)), secs(1), "no answer yet");
        assert_eq!(lease.patience(secs(0)), secs(15));
        assert_eq!(lease.patience(secs(50)), secs(4));
        lease.answered(secs(0), secs(60));
        assert_eq!(lease.pause(secs(0)), secs(15));
        assert_eq!(lease.pause(secs(53)), secs(1));
        lease.unanswered();
        assert_eq!(lease.pause(secs(20)), secs(1));
        assert_eq!(Lease::new(secs(0), Duration::from_millis(80)).pause(secs(0)), RETRY.0);
        assert_eq!(Lease::new(secs(5), Duration::ZERO).left(secs(5)), Duration::ZERO);
    }
}
