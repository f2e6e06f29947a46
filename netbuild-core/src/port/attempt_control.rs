//! The port by which the gateway asks the scheduler.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use crate::model::{AttemptId, Report, RunPhase};

/// What a runner says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The phase it is in.
    pub phase: RunPhase,
}

/// What the runner shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Go on; the lease starts anew.
    Continue {
        /// For so long from when the heartbeat was sent.
        lease: Duration,
    },
    /// Stop: the attempt is cancelled, over or replaced.
    Stop,
}

/// The scheduler, as the gateway sees it.
///
/// No answer is a legal answer: while no scheduler leads, the gateway tells the runner to ask again, and the runner works
/// on until its lease ends.
#[async_trait]
pub trait AttemptControl: Debug + Send + Sync + 'static {
    /// A runner lives.
    ///
    /// # Errors
    /// [`NotLeading`].
    async fn heartbeat(&self, attempt: &AttemptId, beat: Heartbeat) -> Result<Order, NotLeading>;

    /// A runner is done. Ok means that the report is durable, or that the attempt is settled already: the runner need not
    /// repeat it.
    ///
    /// # Errors
    /// [`NotLeading`]; the runner repeats it until its lease ends, and its exit record says the same.
    async fn report(&self, attempt: &AttemptId, report: Report) -> Result<(), NotLeading>;

    /// Whether the attempt is still its build's: not settled, not replaced. One that shall stop is its build's until its
    /// end is known. A runner of any other attempt has nothing to send any more. Cheap: it changes and writes nothing.
    ///
    /// # Errors
    /// [`NotLeading`].
    async fn is_live(&self, attempt: &AttemptId) -> Result<bool, NotLeading>;
}

/// No scheduler leads here at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no scheduler leads at the moment; ask again")]
pub struct NotLeading;
