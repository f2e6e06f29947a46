//! The heartbeat: keeps the lease, and stops the attempt when it is lost or the gateway orders it.

use std::sync::Arc;
use std::time::Duration;

use netbuild_core::model::RunPhase;
use netbuild_core::port::Clock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::gateway_client::GatewayClient;
use super::lease::Lease;
use super::stop::{Stop, StopReason};
use crate::protocol::HeartbeatResponse;

/// How often the clock is looked at while nothing else happens.
const STEP: Duration = Duration::from_secs(1);

/// What a heartbeat needs.
#[derive(Debug)]
pub(super) struct Heartbeat {
    pub(super) client: GatewayClient,
    pub(super) clock: Arc<dyn Clock>,
    /// The phase to tell; a change is told at once.
    pub(super) phase: watch::Receiver<RunPhase>,
    /// The lease until the first answer.
    pub(super) lease: Duration,
    pub(super) stop: Stop,
    /// Becomes true with the first order to go on.
    pub(super) confirmed: watch::Sender<bool>,
    /// Cancelled when there is no lease any more.
    pub(super) over: CancellationToken,
}

impl Heartbeat {
    /// Beats until there is no lease any more.
    pub(super) async fn keep(mut self) {
        let reason = self.beat().await;
        self.stop.ask(reason);
        self.over.cancel();
    }

    async fn beat(&mut self) -> StopReason {
        let mut lease = Lease::new(self.clock.monotonic(), self.lease);
        loop {
            let sent = self.clock.monotonic();
            let phase = *self.phase.borrow_and_update();
            let answer = tokio::select! {
                biased;
                answer = self.client.heartbeat(phase) => answer.ok(),
                () = until(self.clock.as_ref(), sent + lease.patience(sent)) => None,
            };
            match answer {
                Some(HeartbeatResponse::Continue { lease_millis }) => {
                    lease.answered(sent, Duration::from_millis(lease_millis));
                }
                Some(HeartbeatResponse::Stop) => return StopReason::Ordered,
                // A refusal is no order: only the lease's end ends a build that was let begin.
                None => lease.unanswered(),
            }
            let now = self.clock.monotonic();
            if lease.left(now).is_zero() {
                return StopReason::LeaseLost;
            }
            // Not before: the answer may be as old as the lease, when the machine stood still meanwhile.
            if lease.is_answered() {
                self.confirmed.send_replace(true);
            }
            tokio::select! {
                () = until(self.clock.as_ref(), now + lease.pause(now)) => {}
                Ok(()) = self.phase.changed() => {}
            }
        }
    }
}

/// Waits until a time of the clock. Timers stand still while the machine is suspended, and the clock of leases does not: so it
/// is looked at every [`STEP`].
async fn until(clock: &dyn Clock, at: Duration) {
    loop {
        let left = at.saturating_sub(clock.monotonic());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(STEP)).await;
    }
}

#[cfg(test)]
mod tests {
    use netbuild_core::testkit::ManualClock;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_machine_that_was_suspended_notices_the_time_that_passed() {
        let (clock, begun) = (ManualClock::default(), Instant::now());
        let suspended = async {
            tokio::time::sleep(STEP * 3 / 2).await;
            clock.advance(Duration::from_secs(60 * 60));
        };
        tokio::join!(until(&clock, Duration::from_secs(60)), suspended);
        assert_eq!(begun.elapsed(), STEP * 2, "at the next look, and not after a minute more");
    }
}
