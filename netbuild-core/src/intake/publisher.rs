//! From the outbox to the queue: what is pending, oldest first, and only that.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::port::{Outbox, OutboxError, Queue, QueueError};

/// Times and bounds of a [`Publisher`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublisherConfig {
    /// The most messages in one publish. Default 256.
    pub batch: usize,
    /// The wait after a failure. Default 1 s.
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
#[derive(Debug)]
pub struct Publisher {
    outbox: Arc<dyn Outbox>,
    queue: Arc<dyn Queue>,
    config: PublisherConfig,
    woken: Notify,
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
    /// One of them gave no answer in time.
    #[error("no answer within {0:?}; the messages stay pending")]
    Deadline(Duration),
}

impl Publisher {
    /// A publisher from an outbox to a queue. One outbox has one publisher at a time, or its order is lost.
    pub fn new(outbox: Arc<dyn Outbox>, queue: Arc<dyn Queue>, config: PublisherConfig) -> Self {
        Publisher { outbox, queue, config, woken: Notify::new() }
    }

    /// Says that something was recorded: it is published without waiting for the next poll.
    pub fn wake(&self) {
        self.woken.notify_one();
    }

    /// Publishes what is pending now, and answers how many messages that were.
    ///
    /// # Errors
    /// [`PublishError`]: the first failure. What was confirmed before it is marked.
    pub async fn publish_pending(&self) -> Result<u64, PublishError> {
        let mut count = 0;
        loop {
            match tokio::time::timeout(self.config.deadline, self.publish_batch()).await {
                Ok(Ok(0)) => return Ok(count),
                Ok(Ok(published)) => count += published,
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(PublishError::Deadline(self.config.deadline)),
            }
        }
    }

    /// Publishes for as long as nobody says `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        let forever = async {
            loop {
                let wait = match self.publish_pending().await {
                    Ok(_) => self.config.poll,
                    Err(error) => {
                        tracing::warn!(error = &error as &dyn Error, "publishing waits");
                        // A wake must not turn an outage into a busy loop.
                        tokio::time::sleep(self.config.retry).await;
                        continue;
                    }
                };
                // The end of the wait is as good a reason to look as a wake.
                let _ = tokio::time::timeout(wait, self.woken.notified()).await;
            }
        };
        shutdown.run_until_cancelled(forever).await;
    }

    async fn publish_batch(&self) -> Result<u64, PublishError> {
        let batch = self.outbox.pending(0, self.config.batch).await.map_err(PublishError::Outbox)?;
        let Some(last) = batch.last().map(|message| message.place.seq) else { return Ok(0) };
        self.queue.publish(&batch).await.map_err(PublishError::Queue)?;
        self.outbox.published(last).await.map_err(PublishError::Outbox)?;
        Ok(batch.len() as u64)
    }
}
