//! A queue whose publishes go through a breaker.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::figures;
use crate::breaker::{Breaker, Change};
use crate::port::{
    Clock, DeadLetter, DeadLetterId, DeadLetters, Delivery, Depth, Message, Queue, QueueCapabilities, QueueError,
    Receipt,
};

/// A [`Queue`] whose publishes go through a [`Breaker`] and have a deadline.
///
/// An error counts as a failure, and so does no answer within the deadline, whatever the client believes of its connection;
/// that one is [`QueueError::Unknown`]. [`QueueError::Full`] counts as nothing: the queue is there and has no room. While the breaker is open a publish is refused with
/// [`QueueError::Paused`] and reaches nobody. All other calls pass as they are: who consumes only waits longer while the
/// broker is away.
#[derive(Clone, Debug)]
pub struct BreakerQueue {
    queue: Arc<dyn Queue>,
    breaker: Arc<Breaker>,
    clock: Arc<dyn Clock>,
    deadline: Duration,
}

/// Nobody answered in time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no answer within {0:?}")]
struct NoAnswer(Duration);

impl BreakerQueue {
    /// A queue behind a breaker. The clock counts the breaker's times, the deadline is for one publish.
    pub fn new(queue: Arc<dyn Queue>, breaker: Arc<Breaker>, clock: Arc<dyn Clock>, deadline: Duration) -> Self {
        BreakerQueue { queue, breaker, clock, deadline }
    }

    /// The breaker.
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    fn tell(change: Option<Change>) {
        if let Some(change) = change {
            tracing::warn!(from = ?change.from, to = ?change.to, "the breaker before the queue changed");
            figures::of_change(&change);
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Queue for BreakerQueue {
    fn capabilities(&self) -> QueueCapabilities {
        self.queue.capabilities()
    }

    async fn publish(&self, batch: &[Message]) -> Result<(), QueueError> {
        let permit = self
            .breaker
            .permit(|| self.clock.monotonic())
            .map_err(|refused| QueueError::Paused { retry_after: refused.retry_after })?;
        Self::tell(permit.change());
        let answer = match tokio::time::timeout(self.deadline, self.queue.publish(batch)).await {
            Ok(answer) => answer,
            Err(_) => Err(QueueError::Unknown(Box::new(NoAnswer(self.deadline)))),
        };
        Self::tell(match answer {
            Ok(()) => permit.succeeded(),
            Err(QueueError::Full { .. }) => None,
            Err(_) => permit.failed(|| self.clock.monotonic()),
        });
        answer
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.queue.receive(max, wait).await
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        self.queue.ack(receipts).await
    }

    async fn nack(&self, receipts: &[Receipt], after: Duration) -> Result<(), QueueError> {
        self.queue.nack(receipts, after).await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        self.queue.depth().await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl DeadLetters for BreakerQueue {
    async fn bury(&self, receipts: &[Receipt], reason: &str) -> Result<(), QueueError> {
        self.queue.bury(receipts, reason).await
    }

    async fn dead_letters(&self, max: usize) -> Result<Vec<DeadLetter>, QueueError> {
        self.queue.dead_letters(max).await
    }

    async fn redrive(&self, ids: &[DeadLetterId]) -> Result<u64, QueueError> {
        self.queue.redrive(ids).await
    }

    async fn discard(&self, ids: &[DeadLetterId]) -> Result<u64, QueueError> {
        self.queue.discard(ids).await
    }
}
