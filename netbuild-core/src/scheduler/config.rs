//! What a host gives to a scheduler: its ports, and its times and bounds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::{EngineConfig, SequencerConfig};
use crate::model::{ExecutorName, HolderId, JobRules};
use crate::policy::Policy;
use crate::port::{Clock, Executor, Ledger, LogStore, Observer, Queue, Router, Secrets};

/// The wiring of a scheduler: one part for each port.
#[derive(Clone, Debug)]
pub struct SchedulerPorts {
    /// Where builds come from.
    pub queue: Arc<dyn Queue>,
    /// Where everything is kept.
    pub ledger: Arc<dyn Ledger>,
    /// What runs attempts, by the names that routes use.
    pub executors: BTreeMap<ExecutorName, Arc<dyn Executor>>,
    /// What chooses among them.
    pub router: Arc<dyn Router>,
    /// What resolves secrets at dispatch.
    pub secrets: Arc<dyn Secrets>,
    /// Where logs are kept after their attempt is removed.
    pub logs: Arc<dyn LogStore>,
    /// Who is told.
    pub observer: Arc<dyn Observer>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Makes the policy: anew each time this scheduler begins to lead, because a policy's memory is rebuilt from the ledger.
pub type PolicyFactory = Box<dyn Fn() -> Box<dyn Policy> + Send + Sync>;

/// Times and bounds of a scheduler: plain data with defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchedulerConfig {
    /// This process's name in the competition for the leader lease. It must differ from that of every other scheduler that
    /// lives, a predecessor that may only be frozen included: put the process id and a random part in.
    pub holder: HolderId,
    /// The gateway's base URL, as runners reach it.
    pub gateway_url: String,
    /// What runners are allowed. Lease and grace are taken from [`engine`](Self::engine).
    pub rules: JobRules,
    /// The engine's times and bounds.
    pub engine: EngineConfig,
    /// How order is restored at the door.
    pub sequencer: SequencerConfig,
    /// How long the leader lease lasts without a renewal; it is renewed every third of that. Default 15 s: a crashed leader
    /// is followed within that time.
    pub leader_ttl: Duration,
    /// How often each executor's list is compared with the engine. Default 5 s.
    pub compare_every: Duration,
    /// The most calls to executors and ledger under way at once. Default 64.
    pub max_calls: usize,
    /// The most removals under way at once, beside the other calls: each first keeps its attempt's log, 256 KiB of it in
    /// memory, so that a slow log store holds up removals and nothing else. Default 16.
    pub max_removals: usize,
    /// The longest wait for any call. Default 30 s: past it the answer is unknown.
    pub call_deadline: Duration,
    /// The most builds in the engine; above it nothing more is received from the queue. Default 100,000.
    pub max_open_builds: usize,
    /// The most messages received at once, and the most inputs in one commit. Default 256.
    pub batch: usize,
    /// How long a shutdown waits for calls that are under way. Default 10 s.
    pub drain: Duration,
}

impl SchedulerConfig {
    /// The defaults, for a holder and a gateway.
    pub fn new(holder: HolderId, gateway_url: impl Into<String>) -> Self {
        SchedulerConfig {
            holder,
            gateway_url: gateway_url.into(),
            rules: JobRules::default(),
            engine: EngineConfig::default(),
            sequencer: SequencerConfig::default(),
            leader_ttl: Duration::from_secs(15),
            compare_every: Duration::from_secs(5),
            max_calls: 64,
            max_removals: 16,
            call_deadline: Duration::from_secs(30),
            max_open_builds: 100_000,
            batch: 256,
            drain: Duration::from_secs(10),
        }
    }
}
