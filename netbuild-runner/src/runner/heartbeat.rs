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
            match tokio::time::timeout(lease.patience(sent), self.client.heartbeat(phase)).await {
                Ok(Ok(HeartbeatResponse::Continue { lease_millis })) => {
                    lease.answered(sent, Duration::from_millis(lease_millis));
                    self.confirmed.send_replace(true);
                }
                Ok(Ok(HeartbeatResponse::Stop)) => return StopReason::Ordered,
                // A refusal is no order: only the lease's end ends a build that was let begin.
                Ok(Err(_)) | Err(_) => lease.unanswered(),
            }
            let now = self.clock.monotonic();
            if lease.left(now).is_zero() {
                return StopReason::LeaseLost;
            }
            let pause = tokio::time::sleep(lease.pause(now));
            tokio::select! {
                () = pause => {}
                Ok(()) = self.phase.changed() => {}
            }
        }
    }
}
