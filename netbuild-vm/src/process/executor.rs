//! The executor itself: deadlines around blocking work, and the port.

use std::fmt::{self, Debug};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use netbuild_core::model::AttemptId;
use netbuild_core::port::{
    Clock, Executor, ExecutorCapabilities, ExecutorError, ExecutorEvent, Listing, LogChunk, StartError, StartRequest,
    Started,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, Semaphore, broadcast};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::attempts::Attempts;
use super::cleaner::clean;
use super::error::{CallError, OpenError};
use super::options::ProcessOptions;
use super::start::Try;
use super::supervisor::supervise;

/// An executor that runs attempts as process groups of this host. See the [module](super).
pub struct ProcessExecutor {
    attempts: Arc<Attempts>,
    wake: Arc<Notify>,
    news: broadcast::Sender<ExecutorEvent>,
    /// The places for calls. A disk that hangs keeps a thread for every call, so they are few.
    calls: Arc<Semaphore>,
    stop: CancellationToken,
    tasks: TaskTracker,
    _stop_on_drop: DropGuard,
}

/// The most calls that wait for the disk at once.
const MAX_CALLS: usize = 16;

/// The most events that a slow listener may be behind; past it, it gets a gap.
const MAX_EVENTS: usize = 1024;

/// The pause before another try, while another executor has the folder locked or killed processes end.
const AGAIN: Duration = Duration::from_millis(10);

impl ProcessExecutor {
    /// Opens the executor on its root folder, and goes on with what runs there already.
    ///
    /// It must be called in a tokio runtime with time and I/O. It takes no lock: executors of several processes may be
    /// open on one root, as when a scheduler hangs and another one took over.
    ///
    /// # Errors
    /// [`OpenError`] when the root folder, `/proc` or signals cannot be used.
    pub async fn open(options: ProcessOptions, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let root = options.root.clone();
        let opened = spawn_blocking(move || Attempts::open(options, clock)).await;
        let attempts = opened.map_err(|error| OpenError::Root { root, source: error.into() })??;
        let child_ends = signal(SignalKind::child()).map_err(OpenError::Signals)?;
        let (news, _) = broadcast::channel(MAX_EVENTS);
        let stop = CancellationToken::new();
        let executor = ProcessExecutor {
            attempts: Arc::new(attempts),
            wake: Arc::new(Notify::new()),
            news,
            calls: Arc::new(Semaphore::new(MAX_CALLS)),
            _stop_on_drop: stop.clone().drop_guard(),
            stop,
            tasks: TaskTracker::new(),
        };
        executor.tasks.spawn(supervise(
            Arc::clone(&executor.attempts),
            Arc::clone(&executor.wake),
            child_ends,
            executor.news.clone(),
            executor.stop.clone(),
        ));
        executor.tasks.spawn(clean(Arc::clone(&executor.attempts), executor.stop.clone()));
        Ok(executor)
    }

    /// Stops the supervisor and waits for it. Attempts run on: an executor that is opened on the same root later, in this
    /// process or another one, finds them. Without this call the same happens on drop, in the background.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Does blocking work, within the deadline.
    async fn call<T: Send + 'static>(
        &self,
        until: Instant,
        work: impl FnOnce(&Attempts) -> T + Send + 'static,
    ) -> Result<T, CallError> {
        let permit = timeout_at(until, Arc::clone(&self.calls).acquire_owned()).await;
        let Ok(Ok(permit)) = permit else { return Err(CallError::Busy) };
        let attempts = Arc::clone(&self.attempts);
        let done = spawn_blocking(move || {
            let _held = permit;
            work(&attempts)
        });
        timeout_at(until, done).await.map_err(|_late| CallError::Late)?.map_err(CallError::Broken)
    }

    fn until(&self) -> Instant {
        Instant::now() + self.attempts.options.deadline
    }
}

/// Tries until it is done, fails, or has no more time.
async fn retry<T, E, F>(until: Instant, mut attempt: impl FnMut() -> F) -> Result<T, E>
where
    F: Future<Output = Result<Try<T, E>, E>>,
{
    // No try begins in the last quarter of the time: one that the deadline cuts off has an unknown effect, while all that
    // is known by then is that somebody else is at the folder.
    let now = Instant::now();
    let last = until - until.saturating_duration_since(now) / 4;
    loop {
        match attempt().await? {
            Try::Done(done) => return Ok(done),
            Try::Again(error) if Instant::now() + AGAIN >= last => return Err(error),
            Try::Again(_) => sleep(AGAIN).await,
        }
    }
}

#[async_trait]
impl Executor for ProcessExecutor {
    fn capabilities(&self) -> ExecutorCapabilities {
        ExecutorCapabilities {
            slots: Some(self.attempts.options.slots),
            images: false,
            survives_scheduler: true,
            cancel_grace: true,
        }
    }

    async fn start(&self, request: &StartRequest) -> Result<Started, StartError> {
        let until = self.until();
        let started = retry(until, || {
            let request = request.clone();
            async move { self.call(until, move |attempts| attempts.try_start(&request)).await? }
        });
        let started = started.await?;
        self.wake.notify_one();
        Ok(started)
    }

    async fn cancel(&self, attempt: &AttemptId, grace: Duration) -> Result<(), ExecutorError> {
        let until = self.until();
        retry(until, || {
            let attempt = attempt.clone();
            async move { self.call(until, move |attempts| attempts.try_cancel(&attempt, grace)).await? }
        })
        .await?;
        self.wake.notify_one();
        Ok(())
    }

    async fn list(&self) -> Result<Listing, ExecutorError> {
        let listed = self.call(self.until(), Attempts::list).await?;
        listed.map_err(|error| ExecutorError::Unavailable(error.into()))
    }

    async fn events(&self) -> Result<BoxStream<'static, ExecutorEvent>, ExecutorError> {
        let news = stream::unfold(self.news.subscribe(), |mut news| async move {
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
        let attempt = attempt.clone();
        self.call(self.until(), move |attempts| attempts.read_log(&attempt, from, max)).await?
    }

    async fn remove(&self, attempt: &AttemptId) -> Result<(), ExecutorError> {
        let until = self.until();
        retry(until, || {
            let attempt = attempt.clone();
            async move { self.call(until, move |attempts| attempts.try_remove(&attempt)).await? }
        })
        .await
    }
}

impl Debug for ProcessExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessExecutor").field("options", &self.attempts.options).finish_non_exhaustive()
    }
}
