//! What can be seen of the hosts.

use std::time::Duration;

use netbuild_core::model::{AttemptId, HostName};

use super::fleet::Fleet;
use super::health::HealthState;
use super::host::Capacity;

/// A host of the fleet, as this executor sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostView {
    /// Its name.
    pub name: HostName,
    /// How much it is trusted.
    pub health: HealthState,
    /// Whether it gets no more builds because its owner wants so.
    pub draining: bool,
    /// The time within which 19 of its last 20 probes were answered; `None` before there were enough.
    pub p95: Option<Duration>,
    /// What builds may use of it; `None` before it was asked.
    pub capacity: Option<Capacity>,
    /// What builds use of it, by what its daemon last reported.
    pub used: Capacity,
    /// The attempts that use it.
    pub attempts: Vec<AttemptId>,
}

impl Fleet {
    /// All hosts, by name.
    pub(super) fn views(&self) -> Vec<HostView> {
        let none = Capacity { slots: 0, memory_bytes: 0, cpu_millis: 0 };
        let view = |member: std::sync::Arc<super::member::Member>| {
            let (health, p95) = member.health();
            let (capacity, used, attempts) = match member.load() {
                Some((capacity, used, attempts)) => (Some(capacity), used, attempts),
                None => (None, none, Vec::new()),
            };
            HostView {
                name: member.name.clone(),
                health,
                draining: member.host().draining,
                p95,
                capacity,
                used,
                attempts,
            }
        };
        self.members().into_iter().map(view).collect()
    }
}
