//! How the host and the gateway talk to a running scheduler.

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};

use crate::engine::EngineStats;
use crate::model::{AttemptId, BuildKey, CancelReason, LeaderEpoch, Report};
use crate::port::{AttemptControl, Heartbeat, NotLeading, Order};

/// A request to the leader's owner task, with the place for its answer.
#[derive(Debug)]
pub(super) enum Request {
    Beat { attempt: AttemptId, beat: Heartbeat, reply: oneshot::Sender<Order> },
    Report { attempt: AttemptId, report: Report, reply: oneshot::Sender<()> },
    Live { attempt: AttemptId, reply: oneshot::Sender<bool> },
    Cancel { build: BuildKey, reason: CancelReason, reply: oneshot::Sender<CancelAnswer> },
    Status { reply: oneshot::Sender<Status> },
}

/// The door of the scheduler: cheap to clone, good for its whole life. While no leader is behind it, every call answers
/// [`NotLeading`].
#[derive(Clone, Debug)]
pub struct Handle {
    leader: watch::Receiver<Option<mpsc::Sender<Request>>>,
}

/// What a cancel did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelAnswer {
    /// It is in the ledger: the build will end as cancelled.
    Asked,
    /// The build is over, unknown to this account and project, or its deploy is being made visible: nothing changes.
    TooLate,
}

/// What a leader says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its epoch.
    pub epoch: LeaderEpoch,
    /// The engine's counts.
    pub engine: EngineStats,
    /// Messages that wait at the door for earlier ones.
    pub held: usize,
    /// Gaps in the order that were given up.
    pub gaps: u64,
    /// Calls under way or waiting for their turn.
    pub calls: usize,
}

impl Handle {
    pub(super) fn new(leader: watch::Receiver<Option<mpsc::Sender<Request>>>) -> Self {
        Handle { leader }
    }

    /// Asks for the end of a build. Ok once the wish is durable; the end itself comes as a notice.
    ///
    /// # Errors
    /// [`NotLeading`].
    pub async fn cancel(&self, build: &BuildKey, reason: CancelReason) -> Result<CancelAnswer, NotLeading> {
        let build = build.clone();
        self.ask(|reply| Request::Cancel { build, reason, reply }).await
    }

    /// What the leader says of itself.
    ///
    /// # Errors
    /// [`NotLeading`].
    pub async fn status(&self) -> Result<Status, NotLeading> {
        self.ask(|reply| Request::Status { reply }).await
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, NotLeading> {
        let leader = self.leader.borrow().clone().ok_or(NotLeading)?;
        let (reply, answer) = oneshot::channel();
        leader.send(request(reply)).await.map_err(|_| NotLeading)?;
        answer.await.map_err(|_| NotLeading)
    }
}

#[async_trait]
impl AttemptControl for Handle {
    async fn heartbeat(&self, attempt: &AttemptId, beat: Heartbeat) -> Result<Order, NotLeading> {
        let attempt = attempt.clone();
        self.ask(|reply| Request::Beat { attempt, beat, reply }).await
    }

    async fn report(&self, attempt: &AttemptId, report: Report) -> Result<(), NotLeading> {
        let attempt = attempt.clone();
        self.ask(|reply| Request::Report { attempt, report, reply }).await
    }

    async fn is_live(&self, attempt: &AttemptId) -> Result<bool, NotLeading> {
        let attempt = attempt.clone();
        self.ask(|reply| Request::Live { attempt, reply }).await
    }
}
