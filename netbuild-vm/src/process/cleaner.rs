//! The cleaner: it deletes what was discarded, in the background.
//!
//! A build decides how long the deletion of its folder takes and whether it can be done. So several folders are deleted
//! at once, and one that cannot be deleted waits for its next try without holding up the others.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::attempts::Attempts;

/// The most folders that are deleted at once.
const DELETIONS: usize = 4;

/// The pause before a folder is tried again that somebody else was at: another executor on this root, or for a moment the
/// child of any start, which has a copy of each lock until it executes its program.
const SOON: Duration = Duration::from_secs(1);

/// The pause before what could not be deleted is tried again.
const LATER: Duration = Duration::from_secs(60);

/// Deletes what was discarded, whenever there is something, until it is told to stop.
pub(super) async fn clean(attempts: Arc<Attempts>, stop: CancellationToken) {
    let mut under_way = BTreeSet::new();
    let (mut busy, mut stuck) = (BTreeSet::new(), BTreeSet::new());
    let (mut soon, mut later) = (every(SOON), every(LATER));
    let mut deletions = JoinSet::new();
    while !stop.is_cancelled() {
        for name in trash(&attempts).await {
            let waits = busy.contains(&name) || stuck.contains(&name);
            if deletions.len() < DELETIONS && !waits && under_way.insert(name.clone()) {
                let (attempts, stop) = (Arc::clone(&attempts), stop.clone());
                deletions.spawn_blocking(move || {
                    let deleted = attempts.folders.delete(&name, &stop);
                    (name, deleted)
                });
            }
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            Some(ended) = deletions.join_next() => match ended {
                Ok((name, deleted)) => {
                    under_way.remove(&name);
                    if let Err(error) = deleted {
                        report(&name, &error);
                        let waiting = if error.kind() == io::ErrorKind::WouldBlock { &mut busy } else { &mut stuck };
                        waiting.insert(name);
                    }
                }
                Err(error) => tracing::error!(%error, "the deletion of a removed attempt broke"),
            },
            () = attempts.trash.notified() => {}
            _ = soon.tick() => busy.clear(),
            _ = later.tick() => stuck.clear(),
        }
    }
    // They end at once: whoever opens the root next goes on.
    while deletions.join_next().await.is_some() {}
}

async fn trash(attempts: &Arc<Attempts>) -> Vec<String> {
    let attempts = Arc::clone(attempts);
    let listed = spawn_blocking(move || attempts.folders.trash()).await;
    listed.map_err(io::Error::from).flatten().unwrap_or_else(|error| {
        tracing::warn!(%error, "the removed attempts cannot be listed, and are deleted later");
        Vec::new()
    })
}

fn report(name: &str, error: &io::Error) {
    // Else it was told to stop, or somebody else is at it.
    if !matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) {
        tracing::warn!(name, %error, "a removed attempt is not deleted yet; it is tried again every minute");
    }
}

fn every(pause: Duration) -> Interval {
    let mut interval = tokio::time::interval(pause);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
