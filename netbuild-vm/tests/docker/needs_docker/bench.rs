//! Hosts with an image, and executors on them.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::{CreateImageOptionsBuilder, ListContainersOptionsBuilder, ListVolumesOptions};
use bollard::{API_DEFAULT_VERSION, Docker, body_full};
use futures_util::TryStreamExt;
use netbuild_core::model::{AttemptId, AttemptNumber, HostName, Report};
use netbuild_core::port::{Executor, Listing, Phase, SystemClock};
use netbuild_core::testkit::fixtures;
use netbuild_servers::{DockerDaemon, DockerOptions as DaemonOptions};
use netbuild_vm::docker::{Capacity, DockerExecutor, DockerHost, DockerOptions, Endpoint, HostList};

/// An image that holds a shell and what the runner of these tests calls.
pub(crate) const IMAGE: &str = "netbuild-test";

/// The programs of the image.
const PROGRAMS: [&str; 14] =
    ["cat", "dd", "echo", "head", "kill", "mkdir", "mv", "rm", "sed", "setsid", "sh", "sleep", "stat", "tail"];

/// Hosts of one fleet.
pub(crate) struct Bench {
    pub(crate) daemons: Vec<DockerDaemon>,
    pub(crate) pool: Arc<HostList>,
    // After the hosts that are in it.
    _folder: tempfile::TempDir,
}

impl Bench {
    /// So many hosts with so many slots each.
    pub(crate) async fn new(hosts: usize, slots: u32) -> Self {
        Self::with(hosts, slots, DaemonOptions::default()).await
    }

    /// The same, with daemons of these settings.
    pub(crate) async fn with(hosts: usize, slots: u32, options: DaemonOptions) -> Self {
        // A short path, as sockets need it.
        let folder = tempfile::Builder::new().prefix("nbd").tempdir_in("/tmp").unwrap();
        let start = |n: usize| DockerDaemon::start(folder.path().join(n.to_string()), options.clone()).unwrap();
        let daemons: Vec<_> = (0..hosts).map(start).collect();
        for daemon in &daemons {
            import(daemon).await;
        }
        let capacity = Capacity { slots, memory_bytes: 64 << 30, cpu_millis: 64_000 };
        let host = |(n, daemon): (usize, &DockerDaemon)| DockerHost {
            capacity: Some(capacity),
            ..DockerHost::new(HostName::new(format!("host-{n}")).unwrap(), Endpoint::Unix(daemon.socket()))
        };
        let pool = Arc::new(HostList::new(daemons.iter().enumerate().map(host)));
        Bench { daemons, pool, _folder: folder }
    }

    pub(crate) fn options(&self) -> DockerOptions {
        let runner = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/docker/needs_docker/runner.sh");
        let resources = Capacity { slots: 1, memory_bytes: 64 << 20, cpu_millis: 500 };
        DockerOptions { image: Some(IMAGE.to_owned()), resources, ..DockerOptions::new(runner) }
    }

    pub(crate) async fn open(&self) -> Arc<DockerExecutor> {
        self.open_with(self.options()).await
    }

    pub(crate) async fn open_with(&self, options: DockerOptions) -> Arc<DockerExecutor> {
        let opened = DockerExecutor::open(self.pool.clone(), options, Arc::new(SystemClock::new())).await;
        Arc::new(opened.unwrap())
    }

    /// Fills the disk of a host's images, should it have less than 128 MiB.
    pub(crate) fn fill(&self, host: usize) {
        let file = self.daemons[host].data().join("filled");
        self.daemons[host].run("dd", &["if=/dev/zero", "bs=64k", "count=2048", &format!("of={}", file.display())]);
    }

    /// A client of a host.
    pub(crate) fn client(&self, host: usize) -> Docker {
        client(&self.daemons[host])
    }

    /// The containers and volumes of builds that are left on all hosts.
    pub(crate) async fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        for host in 0..self.daemons.len() {
            let client = self.client(host);
            let all = ListContainersOptionsBuilder::new().all(true).build();
            let containers = client.list_containers(Some(all)).await.unwrap();
            left.extend(containers.into_iter().map(|container| format!("{host}: {:?}", container.names)));
            let volumes = client.list_volumes(None::<ListVolumesOptions>).await.unwrap().volumes.unwrap_or_default();
            let names = volumes.into_iter().map(|volume| volume.name);
            left.extend(
                names.filter(|name| !name.starts_with("netbuild-runner-")).map(|name| format!("{host}: {name}")),
            );
        }
        left
    }
}

pub(crate) fn client(daemon: &DockerDaemon) -> Docker {
    Docker::connect_with_unix(&daemon.socket().to_string_lossy(), 120, API_DEFAULT_VERSION).unwrap()
}

async fn import(daemon: &DockerDaemon) {
    let client = client(daemon).negotiate_version().await.unwrap();
    let mut image = tar::Builder::new(Vec::new());
    image.append_path_with_name("/bin/busybox", "bin/busybox").unwrap();
    for program in PROGRAMS {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        image.append_link(&mut header, format!("bin/{program}"), "busybox").unwrap();
    }
    let options = CreateImageOptionsBuilder::new().from_src("-").repo(IMAGE).tag("latest").build();
    let body = body_full(image.into_inner().unwrap().into());
    client.create_image(Some(options), Some(body), None).try_collect::<Vec<_>>().await.unwrap();
}

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn attempt(n: u64, number: u32) -> AttemptId {
    fixtures::build("acme", "site", n).key().attempt(AttemptNumber::new(number))
}

pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, found).await {
        Ok(found) => found,
        Err(_) => panic!("{what} never came"),
    }
}

pub(crate) fn phase(listing: &Listing, attempt: &AttemptId) -> Option<Phase> {
    let of_it: Vec<_> = listing.attempts.iter().filter(|observed| observed.attempt == *attempt).collect();
    assert!(of_it.len() <= 1, "{of_it:?}");
    of_it.first().map(|observed| observed.phase.clone())
}

pub(crate) async fn running(executor: &DockerExecutor, attempt: &AttemptId) {
    until("it runs", async || {
        let phase = phase(&executor.list().await.unwrap(), attempt);
        matches!(phase, Some(Phase::Running { .. })).then_some(())
    })
    .await;
}

pub(crate) async fn ended(executor: &DockerExecutor, attempt: &AttemptId) -> Report {
    until("its end", async || match phase(&executor.list().await.unwrap(), attempt) {
        Some(Phase::Ended { report }) => Some(report),
        _ => None,
    })
    .await
}
