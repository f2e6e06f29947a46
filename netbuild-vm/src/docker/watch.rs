//! What goes on without being asked: following the pool, one stream of events a host, and kills at the end of a grace.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use netbuild_core::port::ExecutorEvent;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::daemon::DaemonError;
use super::fleet::Fleet;
use super::host::HostPool;
use super::member::{AGAIN, Member};

/// Follows the pool, which had this revision, until it is told to stop.
pub(super) async fn follow(
    fleet: Arc<Fleet>,
    pool: Arc<dyn HostPool>,
    mut revision: Option<u64>,
    stop: CancellationToken,
) {
    let following = async {
        loop {
            match revision {
                Some(seen) => pool.changed(seen).await,
                None => sleep(AGAIN).await,
            }
            revision = take_over(&fleet, &*pool, &stop).await.or(revision);
        }
    };
    stop.run_until_cancelled(following).await;
}

/// Takes over the hosts of the pool, and watches each that is new. Answers the revision; `None` when the pool has no answer.
pub(super) async fn take_over(fleet: &Arc<Fleet>, pool: &dyn HostPool, stop: &CancellationToken) -> Option<u64> {
    match pool.hosts().await {
        Ok(hosts) => {
            let revision = hosts.revision;
            for member in fleet.set(hosts) {
                fleet.tasks.spawn(watch(Arc::clone(fleet), member, stop.clone()));
            }
            fleet.tell(ExecutorEvent::Gap);
            Some(revision)
        }
        Err(error) => {
            tracing::warn!(%error, "the fleet goes on with the hosts it knows");
            None
        }
    }
}

/// Watches a host for as long as it is of the fleet.
async fn watch(fleet: Arc<Fleet>, member: Arc<Member>, stop: CancellationToken) {
    let watching = async {
        loop {
            if let Err(error) = follow_events(&fleet, &member).await {
                tracing::warn!(host = %member.name, %error, "the events of a host broke off");
            }
            if !fleet.has(&member) {
                return;
            }
            member.lose();
            sleep(AGAIN).await;
        }
    };
    stop.run_until_cancelled(watching).await;
}

async fn follow_events(fleet: &Fleet, member: &Member) -> Result<(), DaemonError> {
    // Events before the list: what happens between the two is in both.
    let mut events = member.daemon.events().await?;
    tell_all(fleet, member).await?;
    loop {
        match timeout(fleet.options.list_again, events.next()).await {
            Ok(Some(event)) => {
                let event = event?;
                let name = event.actor.and_then(|actor| actor.attributes?.remove("name"));
                let Some(name) = name.filter(|_| matters(event.action.as_deref())) else { continue };
                if let Some(container) = member.look_at(&name).await? {
                    fleet.tell(ExecutorEvent::Observed(container.observed(&member.name)));
                }
            }
            Ok(None) => return Ok(()),
            // It may be calm, or gone: a connection that hangs says nothing.
            Err(_) if fleet.has(member) => tell_all(fleet, member).await?,
            Err(_) => return Ok(()),
        }
    }
}

/// Whether an event may change where an attempt stands.
fn matters(action: Option<&str>) -> bool {
    matches!(action, Some("start" | "die" | "destroy" | "rename"))
}

async fn tell_all(fleet: &Fleet, member: &Member) -> Result<(), DaemonError> {
    for observed in member.look().await? {
        fleet.tell(ExecutorEvent::Observed(observed));
    }
    Ok(())
}

/// Kills a container once a grace is over, if it still runs.
pub(super) fn kill_later(
    fleet: &Arc<Fleet>,
    member: &Arc<Member>,
    container: String,
    grace: Duration,
    stop: CancellationToken,
) {
    let member = Arc::clone(member);
    fleet.tasks.spawn(async move {
        let kill = async {
            sleep(grace).await;
            // What has ended cannot be killed; what hangs is killed by whoever asks again.
            if let Err(error) = member.daemon.kill(&container, "KILL").await
                && !error.is_conflict()
                && !error.is_absent()
            {
                tracing::warn!(host = %member.name, %error, "a container could not be killed at the end of its grace");
            }
        };
        stop.run_until_cancelled(kill).await;
    });
}
