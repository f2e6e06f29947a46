//! The executor itself: the port.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use netbuild_core::model::{AttemptFolder, AttemptId, Digest};
use netbuild_core::port::{
    Clock, Executor, ExecutorCapabilities, ExecutorError, ExecutorEvent, Listing, LogChunk, StartError, StartRequest,
    Started,
};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::daemon::DaemonError;
use super::fleet::Fleet;
use super::host::HostPool;
use super::member::{Container, Member, absent};
use super::options::{DockerOptions, Network};
use super::spec::FOLDER;
use super::view::HostView;
use super::watch::{follow, kill_later, take_over};
use crate::escalation::Ask;
use crate::verdict::Verdict;

/// The most bytes of a log in one answer.
const MAX_LOG_BYTES: usize = 1 << 20;

/// An executor that runs attempts as containers of a fleet of Docker hosts. See the [module](super).
pub struct DockerExecutor {
    fleet: Arc<Fleet>,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

/// Why a [`DockerExecutor`] cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The runner's file cannot be read.
    #[error("the runner {} cannot be read: build it with scripts/build-runner", path.display())]
    Runner {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl DockerExecutor {
    /// Opens the executor on the hosts of a pool, and goes on with what runs there already. Hosts need not answer yet.
    ///
    /// It must be called in a tokio runtime with time and I/O.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(
        pool: Arc<dyn HostPool>,
        options: DockerOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let path = options.runner.clone();
        let runner = tokio::fs::read(&path).await.map_err(|source| OpenError::Runner { path, source })?;
        let digest = Digest::of(&runner).to_string();
        let hex = digest.rsplit(':').next().unwrap_or_default();
        let volume = format!("netbuild-runner-{}", hex.get(..16).unwrap_or(hex));
        warn_of_loosened(&options);
        let fleet = Arc::new(Fleet::new(options, clock, Bytes::from(runner), volume));
        let stop = CancellationToken::new();
        let revision = take_over(&fleet, &*pool, &stop).await;
        fleet.tasks.spawn(follow(Arc::clone(&fleet), pool, revision, stop.clone()));
        Ok(DockerExecutor { fleet, _stop_on_drop: stop.clone().drop_guard(), stop })
    }

    /// The hosts by name, as they were last seen.
    pub fn hosts(&self) -> Vec<HostView> {
        self.fleet.views()
    }

    /// Stops watching and waits for that. Containers run on: an executor that is opened later finds them. Attempts that
    /// wait for their image are forgotten, and run again. Without this call the same happens on drop, in the background.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.fleet.tasks.close();
        self.fleet.tasks.wait().await;
    }

    /// The container of an attempt. Whoever is not where it was last seen is looked for everywhere.
    async fn find(&self, attempt: &AttemptId) -> Result<Option<(Arc<Member>, Container)>, ExecutorError> {
        if let Some(found) = self.fleet.find(attempt) {
            return Ok(Some(found));
        }
        let listing = self.fleet.list().await;
        match self.fleet.find(attempt) {
            None if !listing.complete => Err(ExecutorError::Unavailable(NotListed.into())),
            found => Ok(found),
        }
    }
}

/// Some host did not answer.
#[derive(Debug, thiserror::Error)]
#[error("a host of the fleet does not answer: it may have the attempt")]
struct NotListed;

fn warn_of_loosened(options: &DockerOptions) {
    if options.isolation.writable_root {
        tracing::warn!("builds may write to the folders of their image");
    }
    if let Network::Named(network) = &options.isolation.network {
        tracing::info!(network, "builds are in this network");
    }
}

fn failed(error: DaemonError) -> ExecutorError {
    match error {
        DaemonError::Unreached(_) | DaemonError::Refused { .. } => ExecutorError::Unavailable(error.into()),
        DaemonError::Late(_) | DaemonError::Broken(_) => ExecutorError::Unknown(error.into()),
    }
}

#[async_trait]
impl Executor for DockerExecutor {
    fn capabilities(&self) -> ExecutorCapabilities {
        let slots = |member: &Arc<Member>| member.load().map(|(capacity, ..)| capacity.slots);
        ExecutorCapabilities {
            // The sum of what is known by now; hosts come and go.
            slots: self.fleet.members().iter().map(slots).sum(),
            images: true,
            survives_scheduler: true,
            cancel_grace: true,
        }
    }

    async fn start(&self, request: &StartRequest) -> Result<Started, StartError> {
        self.fleet.start(request).await
    }

    async fn cancel(&self, attempt: &AttemptId, grace: Duration) -> Result<(), ExecutorError> {
        if let Some(pull) = self.fleet.pulls.get(attempt) {
            pull.stop.cancel();
            return Ok(());
        }
        let Some((member, container)) = self.find(attempt).await? else { return Ok(()) };
        if matches!(container.verdict, Verdict::Ended(_) | Verdict::Over(_)) {
            return Ok(());
        }
        let (ask, left) = member.cancel(attempt, grace);
        let sent = match ask {
            Ask::Nothing => Ok(()),
            Ask::Term => member.daemon.kill(&container.id, "TERM").await,
            Ask::Kill => member.daemon.kill(&container.id, "KILL").await,
        };
        match sent {
            Ok(()) => {}
            // It does not run, or is gone.
            Err(error) if error.is_conflict() || error.is_absent() => {}
            Err(error) => return Err(failed(error)),
        }
        if ask != Ask::Kill {
            kill_later(&self.fleet, &member, container.id, left, self.stop.clone());
        }
        Ok(())
    }

    async fn list(&self) -> Result<Listing, ExecutorError> {
        Ok(self.fleet.list().await)
    }

    async fn events(&self) -> Result<BoxStream<'static, ExecutorEvent>, ExecutorError> {
        let news = stream::unfold(self.fleet.news.subscribe(), |mut news| async move {
            match news.recv().await {
                Ok(event) => Some((event, news)),
                Err(RecvError::Lagged(_)) => Some((ExecutorEvent::Gap, news)),
                Err(RecvError::Closed) => None,
            }
        });
        let gap = stream::once(std::future::ready(ExecutorEvent::Gap));
        Ok(gap.chain(news.take_until(self.stop.clone().cancelled_owned())).boxed())
    }

    async fn logs(&self, attempt: &AttemptId, from: u64, max: usize) -> Result<LogChunk, ExecutorError> {
        let nothing = |end| LogChunk { offset: from, bytes: Bytes::new(), end };
        if let Some(pull) = self.fleet.pulls.get(attempt) {
            return Ok(nothing(pull.has_ended()));
        }
        let Some((member, container)) = self.find(attempt).await? else { return Ok(nothing(true)) };
        // Whether it has ended is seen before the length: what has ended writes no more.
        let has_ended = matches!(container.verdict, Verdict::Ended(_));
        let path = format!("{FOLDER}/{}", AttemptFolder::LOG);
        let length = absent(member.daemon.file_length(&container.id, &path).await).map_err(failed)?.unwrap_or(0);
        let left = length.saturating_sub(from);
        let wanted = max.min(MAX_LOG_BYTES).min(usize::try_from(left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(nothing(has_ended && left == 0));
        }
        let bytes = member.daemon.read_file(&container.id, &path, from, wanted).await.map_err(failed)?;
        Ok(LogChunk { offset: from, end: has_ended && bytes.len() as u64 == left, bytes })
    }

    async fn remove(&self, attempt: &AttemptId) -> Result<(), ExecutorError> {
        if let Some(pull) = self.fleet.pulls.get(attempt) {
            if !pull.has_ended() {
                return Err(ExecutorError::StillRuns);
            }
            self.fleet.pulls.remove(attempt);
            return Ok(());
        }
        let Some((member, found)) = self.find(attempt).await? else { return Ok(()) };
        let Some(container) = member.look_at(&found.id).await.map_err(failed)? else { return Ok(()) };
        match container.verdict {
            Verdict::Ended(_) => {}
            // It was never started, and is not wanted: nothing of it can run.
            Verdict::NotStarted => {}
            Verdict::Over(_) => return Ok(()),
            Verdict::Pending | Verdict::Running { .. } => return Err(ExecutorError::StillRuns),
        }
        match member.daemon.remove(&container.id).await {
            Ok(()) => {}
            Err(error) if error.is_absent() => {}
            Err(error) => return Err(failed(error)),
        }
        member.look_at(&container.id).await.map_err(failed)?;
        Ok(())
    }
}

impl Debug for DockerExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DockerExecutor").field("options", &self.fleet.options).finish_non_exhaustive()
    }
}
