//! The scheduler: takes the leader lease, leads, and takes it again.

use std::error::Error;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::calls::Caller;
use super::config::{PolicyFactory, SchedulerConfig, SchedulerPorts};
use super::handle::{Handle, Request};
use super::leader::Leader;
use super::lease;
use super::patience::End;
use crate::model::GatewayKey;
use crate::port::{LedgerError, Notice};

/// The async driver around the [`Engine`](crate::engine::Engine). Several may run over one ledger: one leads, the others
/// wait for its lease to end.
pub struct Scheduler {
    ports: SchedulerPorts,
    config: SchedulerConfig,
    policy: PolicyFactory,
    leader: watch::Sender<Option<mpsc::Sender<Request>>>,
}

/// Requests that wait for the owner task; past it a caller waits.
const REQUESTS: usize = 1_024;

impl Scheduler {
    /// A scheduler that does nothing yet.
    pub fn new(ports: SchedulerPorts, config: SchedulerConfig, policy: PolicyFactory) -> Self {
        Scheduler { ports, config, policy, leader: watch::Sender::new(None) }
    }

    /// The door for the host and the gateway.
    pub fn handle(&self) -> Handle {
        Handle::new(self.leader.subscribe())
    }

    /// Runs until `shutdown`: waits for the lease, restores, leads, and does so again when leading was lost. Every task
    /// that it started has ended when it returns; attempts that run go on, for the next scheduler to adopt.
    ///
    /// # Errors
    /// [`LedgerError::Corrupt`] when the ledger cannot be read: a person must look. Everything else is waited out.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), LedgerError> {
        for turn in 1_u64.. {
            // Each turn competes under a name of its own: a lease of an earlier turn that could not be given back must
            // run out, and not be renewed with an epoch in which that turn has written already.
            let holder = self.config.holder.of_turn(turn);
            let (ledger, clock) = (&self.ports.ledger, &self.ports.clock);
            let asked = lease::acquire(ledger, clock, &holder, self.config.leader_ttl);
            let Some(lease) = shutdown.run_until_cancelled(asked).await else { return Ok(()) };
            let epoch = lease.epoch;
            let names = match ledger.name_key().await {
                Ok(names) => names,
                Err(error @ LedgerError::Corrupt(_)) => return Err(error),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn Error, "the ledger's key cannot be read yet");
                    tokio::time::sleep(self.config.leader_ttl / 3).await;
                    continue;
                }
            };
            let tokens = GatewayKey::from(&names);
            let (ports, config) = (self.ports.clone(), SchedulerConfig { holder, ..self.config.clone() });
            let caller = Arc::new(Caller { ports, config, lease, names, tokens });
            let (requests, inbox) = mpsc::channel(REQUESTS);
            self.leader.send_replace(Some(requests));
            let end = Leader::lead(caller, (self.policy)(), inbox, &shutdown).await;
            self.leader.send_replace(None);
            self.ports.observer.notice(&Notice::SteppedDown, self.ports.clock.now());
            match end {
                End::Shutdown => {
                    if let Err(error) = self.ports.ledger.resign(epoch).await {
                        tracing::warn!(error = &error as &dyn Error, "the lease was not given back; it ends by itself");
                    }
                    return Ok(());
                }
                End::Lost(why) => {
                    tracing::warn!(%epoch, why, "this scheduler leads no more");
                    if let Err(error) = self.ports.ledger.resign(epoch).await {
                        tracing::debug!(error = &error as &dyn Error, "the lost lease was not given back");
                    }
                }
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheduler").field("ports", &self.ports).field("config", &self.config).finish_non_exhaustive()
    }
}
