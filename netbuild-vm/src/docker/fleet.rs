//! All hosts, as the executor knows them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::join_all;
use netbuild_core::model::{AttemptId, BuildName, HostName};
use netbuild_core::port::{Clock, ExecutorEvent, Listing};
use tokio::sync::broadcast;
use tokio_util::task::TaskTracker;

use super::health::HealthState;
use super::host::Hosts;
use super::keyed::Keyed;
use super::labels::Labels;
use super::member::{Container, Member};
use super::options::DockerOptions;
use super::place::{Candidate, Standing};
use super::pull::Pulls;

/// The most events that a slow listener may be behind; past it, it gets a gap.
const MAX_EVENTS: usize = 1024;

/// What the calls of the executor and its watchers share.
#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) options: DockerOptions,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) news: broadcast::Sender<ExecutorEvent>,
    /// Attempts whose image is on its way.
    pub(super) pulls: Pulls,
    /// A build is started by one call at a time.
    pub(super) turns: Keyed<BuildName>,
    /// The name of the volume with the runner, by which two versions are told apart.
    pub(super) runner_volume: String,
    pub(super) runner: bytes::Bytes,
    pub(super) tasks: TaskTracker,
    /// When the executor was opened, on the monotonic clock.
    opened_at: Duration,
    members: RwLock<BTreeMap<HostName, Arc<Member>>>,
}

impl Fleet {
    pub(super) fn new(
        options: DockerOptions,
        clock: Arc<dyn Clock>,
        runner: bytes::Bytes,
        runner_volume: String,
    ) -> Self {
        let (news, _) = broadcast::channel(MAX_EVENTS);
        Fleet {
            options,
            news,
            pulls: Pulls::default(),
            turns: Keyed::default(),
            runner_volume,
            runner,
            tasks: TaskTracker::new(),
            opened_at: clock.monotonic(),
            members: RwLock::default(),
            clock,
        }
    }

    pub(super) fn members(&self) -> Vec<Arc<Member>> {
        self.members.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub(super) fn member(&self, name: &HostName) -> Option<Arc<Member>> {
        self.members.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Whether what an earlier scheduler started on a host that does not answer was heard of by now, or has fenced itself.
    pub(super) fn is_settled(&self) -> bool {
        self.clock.monotonic().saturating_sub(self.opened_at) > self.options.forget_after
    }

    /// Whether a host is still of the fleet.
    pub(super) fn has(&self, member: &Member) -> bool {
        self.member(&member.name).is_some_and(|known| std::ptr::eq(&*known, member))
    }

    /// Takes over the hosts of the pool, and answers those that are new. A host whose daemon listens elsewhere is another.
    pub(super) fn set(&self, hosts: Hosts) -> Vec<Arc<Member>> {
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        let mut new = Vec::new();
        let mut kept = BTreeMap::new();
        for host in hosts.hosts {
            let member = match members.remove(&host.name) {
                Some(known) if known.host().endpoint == host.endpoint => {
                    known.set_host(host);
                    known
                }
                _ => {
                    let member = Arc::new(Member::new(host, &self.options, Arc::clone(&self.clock)));
                    new.push(Arc::clone(&member));
                    member
                }
            };
            kept.insert(member.name.clone(), member);
        }
        *members = kept;
        new
    }

    /// Everything on every host. Of one that does not answer it tells what was there as unknown, without asking it
    /// again: its watcher does, and says when it is back.
    pub(super) async fn list(&self) -> Listing {
        let members = self.members();
        let looks = join_all(members.iter().map(async |member| {
            if member.was_asked() && !member.answers() {
                return None;
            }
            let look = member.look().await;
            look.inspect_err(|error| tracing::warn!(host = %member.name, %error, "a host does not answer")).ok()
        }))
        .await;
        let mut listing = Listing { attempts: Vec::new(), complete: true };
        for (member, look) in members.iter().zip(looks) {
            listing.complete &= look.is_some();
            listing.attempts.extend(look.unwrap_or_else(|| member.unknown()));
        }
        // Who has a container has no pull any more.
        let pulled = self.pulls.observed();
        let is_listed = |attempt: &AttemptId| listing.attempts.iter().any(|observed| observed.attempt == *attempt);
        let waiting: Vec<_> = pulled.into_iter().filter(|observed| !is_listed(&observed.attempt)).collect();
        listing.attempts.extend(waiting);
        listing
    }

    /// The container of an attempt, where it was last seen.
    pub(super) fn find(&self, attempt: &AttemptId) -> Option<(Arc<Member>, Container)> {
        self.members().into_iter().find_map(|member| {
            let container = member.by_attempt(attempt)?;
            Some((member, container))
        })
    }

    /// The hosts as placement sees them, for a build of an account. One that was never listed has no say.
    pub(super) fn candidates(&self, labels: &Labels, image_is_at: impl Fn(&Member) -> bool) -> Vec<Candidate> {
        let candidate = |member: Arc<Member>| {
            let (capacity, used, attempts) = member.load()?;
            let host = member.host();
            let account = &labels.attempt.build.account;
            let of_account = attempts.iter().filter(|attempt| attempt.build.account == *account).count();
            let standing = match member.health() {
                _ if host.draining || !member.answers() => Standing::Closed,
                (HealthState::Healthy, _) => Standing::Open,
                (HealthState::Suspect, _) => Standing::Suspect,
                (HealthState::New | HealthState::Quarantined, _) => Standing::Closed,
            };
            Some(Candidate {
                pull: if image_is_at(&member) { Duration::ZERO } else { self.pulls.usual_time() },
                host: host.name,
                labels: host.labels,
                capacity,
                used,
                of_account: u32::try_from(of_account).unwrap_or(u32::MAX),
                standing,
            })
        };
        self.members().into_iter().filter_map(candidate).collect()
    }

    /// Tells whoever listens.
    pub(super) fn tell(&self, event: ExecutorEvent) {
        // Nobody listens: whoever comes later lists first.
        let _listeners = self.news.send(event);
    }
}
