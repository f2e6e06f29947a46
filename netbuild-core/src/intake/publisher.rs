//! From the outbox to the queue: what is pending, oldest first, and only that.

use std::error::Error;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::breaker_queue::BreakerQueue;
use super::figures;
use super::pace::Pace;
use crate::breaker::{Breaker, BreakerConfig, BreakerState, FailureRatio};
use crate::port::{Backlog, Clock, Effect, Event, Outbox, OutboxError, Queue, QueueError, Recorded};

/// Times and bounds of a [`Publisher`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublisherConfig {
    /// The most messages in one publish, at least 1; 0 is taken as that. A queue that is too full for so many is asked with
    /// fewer. Default 256.
    pub batch: usize,
    /// The most messages a second while a backlog is drained; `None`: as fast as the queue takes them. Default 2,000: the
    /// backlog of a long partition is gone within minutes, and a broker that has just come back is not knocked over.
    pub drain_rate: Option<NonZeroU32>,
    /// The wait after a failure that did not open the breaker, at least 50 ms. Default 1 s.
    pub retry: Duration,
    /// How often to look for pending messages that nobody announced by [`Publisher::wake`]. Default 1 s.
    pub poll: Duration,
    /// The longest wait for a call; past it the answer is unknown and the same messages are sent again. Default 30 s.
    pub deadline: Duration,
}

impl Default for PublisherConfig {
    fn default() -> Self {
        PublisherConfig {
            batch: 256,
            drain_rate: NonZeroU32::new(2_000),
            retry: Duration::from_secs(1),
            poll: Duration::from_secs(1),
            deadline: Duration::from_secs(30),
        }
    }
}

/// Sends what is pending in the outbox to the queue, in order, and marks it there once the queue confirmed it.
///
/// It stops at the first failure and begins again with the same message, so nothing overtakes; a message whose
/// confirmation was lost is sent again under the same id. A restart just finds what is pending.
///
/// # Through a partition
/// Every publish goes through a [`Breaker`]. While that is open everything stays pending: the outbox is the secondary store.
/// A queue that is full is asked with half as many messages each time; that does not open the breaker, for the queue is there
/// and says so. When the breaker lets a probe through, that is the oldest message alone; after a success the backlog is drained in order, at
/// [`drain_rate`](PublisherConfig::drain_rate), with new events behind it, and past its end all goes at once again.
///
/// # Several of them
/// Each process records into an outbox of its own publisher and has a publisher for it; each keeps its own order. Two
/// publishers over one outbox lose nothing, but send much twice.
#[derive(Debug)]
pub struct Publisher {
    outbox: Arc<dyn Outbox>,
    queue: BreakerQueue,
    clock: Arc<dyn Clock>,
    config: PublisherConfig,
    progress: Mutex<Progress>,
    woken: Notify,
}

#[derive(Debug)]
struct Progress {
    pace: Pace,
    counts: PublishCounts,
    /// How many messages the next publish may have: fewer than configured while the queue has little room.
    batch: usize,
}

/// What a publisher has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublishCounts {
    /// Messages that the queue confirmed and the outbox has marked.
    pub published: u64,
    /// Of them, those of a backlog: sent between a failure, or the start, and the next moment at which nothing was pending.
    pub drained: u64,
    /// Publishes that failed.
    pub failed: u64,
    /// Of them, those that may have had their effect and were sent again.
    pub unknown: u64,
}

/// How a publisher stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublisherStatus {
    /// The breaker before the queue.
    pub breaker: BreakerState,
    /// What is recorded and not confirmed.
    pub backlog: Backlog,
    /// How long the oldest of it waits, by the clock of the publisher.
    pub oldest_age: Option<Duration>,
    /// Whether what is pending is a backlog, which is sent at a bounded rate.
    pub draining: bool,
    /// What was done.
    pub counts: PublishCounts,
}

/// Why a publish stopped. What it concerns stays pending.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The outbox failed.
    #[error("the outbox failed; what it holds stays pending")]
    Outbox(#[source] OutboxError),
    /// The queue failed.
    #[error("the queue failed; the messages stay pending")]
    Queue(#[source] QueueError),
    /// The outbox gave no answer in time.
    #[error("the outbox gave no answer within {0:?}; what it holds stays pending")]
    Deadline(Duration),
}

impl Publisher {
    /// A publisher from an outbox to a queue, behind a breaker that opens at 30% of the last ten calls: they are made one
    /// after the other, and three that failed are a while already. The clock counts the breaker's times.
    pub fn new(outbox: Arc<dyn Outbox>, queue: Arc<dyn Queue>, clock: Arc<dyn Clock>, config: PublisherConfig) -> Self {
        let trip = FailureRatio { window: 10, least_calls: 3, ..FailureRatio::default() };
        let breaker = Breaker::new(BreakerConfig { trip, ..BreakerConfig::default() });
        Self::with_breaker(outbox, queue, Arc::new(breaker), clock, config)
    }

    /// A publisher behind a breaker of the host's.
    pub fn with_breaker(
        outbox: Arc<dyn Outbox>,
        queue: Arc<dyn Queue>,
        breaker: Arc<Breaker>,
        clock: Arc<dyn Clock>,
        config: PublisherConfig,
    ) -> Self {
        let queue = BreakerQueue::new(queue, breaker, clock.clone(), config.deadline);
        let (pace, counts) = (Pace::new(config.drain_rate), PublishCounts::default());
        let progress = Progress { pace, counts, batch: config.batch.max(1) };
        Publisher { outbox, queue, clock, config, progress: Mutex::new(progress), woken: Notify::new() }
    }

    /// Records events in the outbox and says so to whoever [runs](Self::run) this publisher. Once this is Ok they are
    /// accepted, whatever the queue does.
    ///
    /// # Errors
    /// [`OutboxError`], as [`Outbox::record`].
    pub async fn record(&self, batch: &[Event]) -> Result<Vec<Recorded>, OutboxError> {
        let recorded = self.outbox.record(batch).await?;
        self.wake();
        Ok(recorded)
    }

    /// Says that something was recorded: it is published without waiting for the next poll.
    pub fn wake(&self) {
        self.woken.notify_one();
    }

    /// How it stands now.
    ///
    /// # Errors
    /// [`PublishError`] when the outbox cannot tell its backlog, or not in time.
    pub async fn status(&self) -> Result<PublisherStatus, PublishError> {
        let backlog = self.of_outbox(self.outbox.backlog()).await?;
        let oldest_age = backlog.oldest.map(|oldest| self.clock.now().since(oldest));
        let breaker = self.queue.breaker().state(self.clock.monotonic());
        let progress = self.progress();
        let (draining, counts) = (progress.pace.is_draining() && backlog.count > 0, progress.counts);
        Ok(PublisherStatus { breaker, backlog, oldest_age, draining, counts })
    }

    /// Publishes what is pending now, and answers how many messages that were.
    ///
    /// # Errors
    /// [`PublishError`]: the first failure. What was confirmed before it is marked.
    pub async fn publish_pending(&self) -> Result<u64, PublishError> {
        let mut count = 0;
        loop {
            let sent = match self.publish_batch().await {
                Ok(sent) => sent,
                Err(error) => {
                    self.failed(&error);
                    return Err(error);
                }
            };
            if sent == 0 {
                self.progress().pace.emptied();
                return Ok(count);
            }
            count += sent;
            let wait = self.sent(sent);
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
        }
    }

    /// Publishes for as long as nobody says `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        let forever = async {
            loop {
                let answer = self.publish_pending().await;
                self.tell_status().await;
                match answer {
                    // The end of the wait is as good a reason to look as a wake.
                    Ok(_) => drop(tokio::time::timeout(self.config.poll, self.woken.notified()).await),
                    // A wake must not turn an outage into a busy loop.
                    Err(error) => tokio::time::sleep(self.wait_after(&error)).await,
                }
            }
        };
        shutdown.run_until_cancelled(forever).await;
    }

    /// Sends one batch, or the oldest message alone where that is a probe.
    async fn publish_batch(&self) -> Result<u64, PublishError> {
        let max = match self.queue.breaker().state(self.clock.monotonic()) {
            BreakerState::Closed => self.progress().batch,
            BreakerState::Open { .. } | BreakerState::HalfOpen => 1,
        };
        let batch = self.of_outbox(self.outbox.pending(0, max)).await?;
        let Some(last) = batch.last().map(|message| message.place.seq) else { return Ok(0) };
        self.queue.publish(&batch).await.map_err(PublishError::Queue)?;
        self.of_outbox(self.outbox.published(last)).await?;
        Ok(batch.len() as u64)
    }

    async fn of_outbox<T>(&self, call: impl Future<Output = Result<T, OutboxError>>) -> Result<T, PublishError> {
        match tokio::time::timeout(self.config.deadline, call).await {
            Ok(answer) => answer.map_err(PublishError::Outbox),
            Err(_) => Err(PublishError::Deadline(self.config.deadline)),
        }
    }

    /// Counts a batch; answers how long to wait before the next one.
    fn sent(&self, sent: u64) -> Duration {
        let mut progress = self.progress();
        progress.batch = progress.batch.saturating_mul(2).min(self.config.batch.max(1));
        let draining = progress.pace.is_draining();
        progress.counts.published += sent;
        progress.counts.drained += if draining { sent } else { 0 };
        figures::of_batch(self.outbox.publisher().0, sent, draining);
        progress.pace.after(sent)
    }

    fn failed(&self, error: &PublishError) {
        figures::of_failure(self.outbox.publisher().0, error);
        let mut progress = self.progress();
        progress.pace.failed();
        match error {
            PublishError::Queue(QueueError::Paused { .. }) => {
                tracing::debug!("publishing waits for the breaker");
                return;
            }
            PublishError::Queue(queue) => {
                progress.counts.failed += 1;
                progress.counts.unknown += u64::from(queue.effect() == Effect::Unknown);
                if matches!(queue, QueueError::Full { .. }) {
                    progress.batch = (progress.batch / 2).max(1);
                }
            }
            PublishError::Outbox(_) | PublishError::Deadline(_) => {}
        }
        tracing::warn!(error = error as &dyn Error, "publishing waits");
    }

    fn wait_after(&self, error: &PublishError) -> Duration {
        let wait = match error {
            PublishError::Queue(QueueError::Paused { retry_after }) => *retry_after,
            _ => self.config.retry,
        };
        wait.max(SHORTEST_WAIT)
    }

    async fn tell_status(&self) {
        match self.status().await {
            Ok(status) => figures::of_status(self.outbox.publisher().0, &status),
            Err(error) => tracing::warn!(error = &error as &dyn Error, "the outbox does not tell its backlog"),
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().expect("nothing panics while it holds this lock")
    }
}

/// However short the wait that is configured, or that a breaker names.
const SHORTEST_WAIT: Duration = Duration::from_millis(50);
