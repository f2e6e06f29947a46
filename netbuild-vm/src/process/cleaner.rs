//! The cleaner: it deletes what was discarded, in the background.
//!
//! A build decides how long the deletion of its folder takes and whether it can be done. So several folders are deleted
//! at once, and one that cannot be deleted waits for its next try without holding up the others.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::attempts::Attempts;

/// The most folders that are deleted at once.
const DELETIONS: usize = 4;

/// The pause before what could not be deleted is tried again.
const LATER: Duration = Duration::from_secs(60);

/// Deletes what was discarded, whenever there is something, until it is told to stop.
pub(super) async fn clean(attempts: Arc<Attempts>, stop: CancellationToken) {
    let mut under_way = BTreeSet::new();
    let mut tried = BTreeSet::new();
    let mut deletions = JoinSet::new();
    let mut later = tokio::time::interval(LATER);
    while !stop.is_cancelled() {
        for name in trash(&attempts).await {
            if deletions.len() < DELETIONS && !tried.contains(&name) && under_way.insert(name.clone()) {
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
                        tried.insert(name);
                    }
                }
                Err(error) => tracing::error!(%error, "the deletion of a removed attempt broke"),
            },
            () = attempts.trash.notified() => {}
            _ = later.tick() => tried.clear(),
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
    // Else it was told to stop, or another executor on this root is at it.
    if !matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) {
        tracing::warn!(name, %error, "a removed attempt is not deleted yet; it is tried again every minute");
    }
}
