//! The settings of the executor.

use std::path::PathBuf;
use std::time::Duration;

use super::health::HealthRules;
use super::host::Capacity;
use super::place::{Strategy, Weights};

/// Settings of a [`DockerExecutor`](super::DockerExecutor).
#[derive(Clone, Debug)]
pub struct DockerOptions {
    /// The value of the label `netbuild.executor` on all that this executor makes. Whatever has it is this executor's to
    /// list and remove, so two installations that share a daemon have two names. Default `netbuild`.
    pub label: String,
    /// The runner, on this machine: a static binary, for it must run in any image. `scripts/build-runner` makes it.
    pub runner: PathBuf,
    /// The image of builds that name none. Default none: such a build is refused.
    pub image: Option<String>,
    /// What a build may use that says nothing else: memory in bytes, thousandths of a core. Default 2 GiB and one core.
    /// The slots do not matter.
    pub resources: Capacity,
    /// What keeps builds from the host and from each other.
    pub isolation: Isolation,
    /// Which host is taken.
    pub strategy: Strategy,
    /// How much its advantages count.
    pub weights: Weights,
    /// When a host is trusted.
    pub health: HealthRules,
    /// The longest wait for one answer of a daemon but that to a probe. Default 20 s: one that is asked to create a container beside many others
    /// takes seconds.
    pub deadline: Duration,
    /// How often a daemon is listed though its events told nothing new. Default 10 s.
    pub list_again: Duration,
    /// A host that has not answered since this executor was opened holds up every start for so long: the build may run
    /// there. By then the gateway has heard of whatever an earlier scheduler started, or its runner has stopped for want
    /// of a lease. An attempt that a host was asked for before it fell silent is given up after the same time. Default 150 s: more than the default lease, its grace and [`start_within`](Self::start_within).
    pub forget_after: Duration,
    /// How long a container may be asked for before its runner begins; one that begins later does not begin. Daemons that
    /// hang do what they were asked once they go on. Default 60 s.
    pub start_within: Duration,
}

impl DockerOptions {
    /// Settings with every default.
    pub fn new(runner: impl Into<PathBuf>) -> Self {
        DockerOptions {
            label: "netbuild".to_owned(),
            runner: runner.into(),
            image: None,
            resources: Capacity { slots: 1, memory_bytes: 2 << 30, cpu_millis: 1_000 },
            isolation: Isolation::default(),
            strategy: Strategy::default(),
            weights: Weights::default(),
            health: HealthRules::default(),
            deadline: Duration::from_secs(20),
            list_again: Duration::from_secs(10),
            forget_after: Duration::from_secs(150),
            start_within: Duration::from_secs(60),
        }
    }
}

/// What keeps builds from the host and from each other. The defaults are the strict ones; whatever is loosened is logged when
/// the executor is opened.
///
/// Whatever is set here: no socket of a daemon and no folder of the host is in a container, it is not privileged, no program in
/// it gains rights by being started, the daemon's default seccomp profile holds, and of all capabilities the runner keeps
/// those by which it gives files to the command's user and ends its processes; the command has none. Containers share the
/// kernel of their host: that is no boundary against whoever has a way into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Isolation {
    /// The network of builds. Default [`Network::None`], in which a build reaches nothing: also no gateway, so a host always
    /// chooses one.
    pub network: Network,
    /// Whether builds may write to their image's folders, which lie on the disk of the images. Default no: they write in
    /// their workspace and in `/tmp`.
    pub writable_root: bool,
    /// The most processes and threads in a container. Default 4,096.
    pub processes: u32,
    /// How much `/tmp` holds, in bytes of the build's memory. Default 64 MiB; `TMPDIR` is on the disk of the workspace.
    pub tmp_bytes: u64,
    /// The user id of the command, 1 to 2³¹ − 2. Default 10,001.
    pub user: u32,
}

impl Default for Isolation {
    fn default() -> Self {
        Isolation { network: Network::None, writable_root: false, processes: 4_096, tmp_bytes: 64 << 20, user: 10_001 }
    }
}

/// The network of builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// None at all.
    None,
    /// A network of the daemon's, by its name. Whether containers reach each other, the host or addresses with secrets
    /// there is up to who made it.
    Named(String),
}
