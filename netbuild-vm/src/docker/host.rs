//! Hosts, and where the fleet hears of them.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::model::HostName;
use netbuild_core::port::Source;
use tokio::sync::watch;

/// A machine with a Docker daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerHost {
    /// Its name, unique in the fleet. It stands in observations, and a retry avoids it by it.
    pub name: HostName,
    /// Where its daemon listens.
    pub endpoint: Endpoint,
    /// What placement may ask for.
    pub labels: BTreeMap<String, String>,
    /// What builds may use of it; `None`: all that the daemon reports, and as many builds as cores.
    pub capacity: Option<Capacity>,
    /// It gets no more builds; those that run there run to their end.
    pub draining: bool,
}

impl DockerHost {
    /// A host without labels whose capacity is read from its daemon.
    pub fn new(name: HostName, endpoint: Endpoint) -> Self {
        DockerHost { name, endpoint, labels: BTreeMap::new(), capacity: None, draining: false }
    }
}

/// Where a daemon listens. Whoever can talk to a daemon is root on its machine: a socket is protected by its mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A socket of this machine, for example `/var/run/docker.sock`.
    Unix(PathBuf),
}

/// What builds may use of a host at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// How many builds.
    pub slots: u32,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Processor time, in thousandths of a core.
    pub cpu_millis: u64,
}

/// The hosts of a fleet, as they shall be now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// It grows with each change.
    pub revision: u64,
    /// The hosts. One that is no longer among them is gone for good, with all that ran there: drain it before.
    pub hosts: Vec<DockerHost>,
}

/// Where a fleet hears which hosts it has: a fixed list, or what a capacity controller rents and gives back.
#[async_trait]
pub trait HostPool: Debug + Send + Sync + 'static {
    /// The hosts as they shall be now.
    ///
    /// # Errors
    /// [`HostPoolError`]: the fleet goes on with those it knows.
    async fn hosts(&self) -> Result<Hosts, HostPoolError>;

    /// Returns once the revision is above `seen`, or some time later.
    async fn changed(&self, seen: u64);
}

/// Why a pool cannot tell its hosts.
#[derive(Debug, thiserror::Error)]
#[error("the pool cannot tell its hosts; the fleet goes on with those it knows")]
pub struct HostPoolError(#[source] pub Source);

/// A pool whose hosts the host application sets.
#[derive(Debug)]
pub struct HostList(watch::Sender<Hosts>);

impl HostList {
    /// A pool of these hosts.
    pub fn new(hosts: impl IntoIterator<Item = DockerHost>) -> Self {
        HostList(watch::Sender::new(Hosts { revision: 1, hosts: hosts.into_iter().collect() }))
    }

    /// Adds a host, or replaces the one of its name.
    pub fn add(&self, host: DockerHost) {
        self.change(|hosts| {
            hosts.retain(|known| known.name != host.name);
            hosts.push(host);
        });
    }

    /// Gives a host no more builds, or lets it have some again. One that is not there is no error.
    pub fn drain(&self, name: &HostName, draining: bool) {
        self.change(|hosts| {
            hosts.iter_mut().filter(|host| host.name == *name).for_each(|host| host.draining = draining)
        });
    }

    /// Removes a host: it is gone for good, with all that ran there. One that is not there is no error.
    pub fn remove(&self, name: &HostName) {
        self.change(|hosts| hosts.retain(|host| host.name != *name));
    }

    fn change(&self, change: impl FnOnce(&mut Vec<DockerHost>)) {
        self.0.send_modify(|known| {
            change(&mut known.hosts);
            known.revision += 1;
        });
    }
}

/// After that a pool that did not change is read again all the same.
const AGAIN: Duration = Duration::from_secs(60);

#[async_trait]
impl HostPool for HostList {
    async fn hosts(&self) -> Result<Hosts, HostPoolError> {
        Ok(self.0.borrow().clone())
    }

    async fn changed(&self, seen: u64) {
        let mut hosts = self.0.subscribe();
        // The sender lives in `self`, so that an end of the wait is a change or the time.
        let _changed_or_late = tokio::time::timeout(AGAIN, hosts.wait_for(|hosts| hosts.revision > seen)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> DockerHost {
        DockerHost::new(HostName::new(name).unwrap(), Endpoint::Unix("/run/docker.sock".into()))
    }

    #[tokio::test(start_paused = true)]
    async fn changes_are_told_to_who_waits_and_to_who_comes_later() {
        let pool = HostList::new([host("a")]);
        let before = pool.hosts().await.unwrap();
        let start = tokio::time::Instant::now();
        pool.changed(before.revision).await;
        assert_eq!(start.elapsed(), AGAIN, "nothing changed");
        tokio::join!(pool.changed(before.revision), async { pool.add(host("b")) });
        pool.changed(before.revision).await;
        assert_eq!(start.elapsed(), AGAIN, "both are told at once");
        pool.drain(&host("a").name, true);
        pool.add(host("b"));
        pool.remove(&host("c").name);
        let now = pool.hosts().await.unwrap().hosts;
        let shown: Vec<_> = now.iter().map(|host| (host.name.as_str(), host.draining)).collect();
        assert_eq!(shown, [("a", true), ("b", false)]);
        pool.remove(&host("a").name);
        assert_eq!(pool.hosts().await.unwrap().hosts, [host("b")]);
    }
}
