//! What goes wrong, and what was called.

use std::time::Duration;

use crate::model::{AttemptId, Failure};

/// What the next start does instead of its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartFault {
    /// [`StartError::Full`](crate::port::StartError::Full).
    Full,
    /// [`StartError::Refused`](crate::port::StartError::Refused).
    Refused(Failure),
    /// [`StartError::Unavailable`](crate::port::StartError::Unavailable).
    Unavailable,
    /// [`StartError::Unknown`](crate::port::StartError::Unknown), and nothing was started.
    UnknownNotStarted,
    /// [`StartError::Unknown`](crate::port::StartError::Unknown), and the attempt was started.
    UnknownStarted,
}

/// What the next call of another kind does instead of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallFault {
    /// [`ExecutorError::Unavailable`](crate::port::ExecutorError::Unavailable).
    Unavailable,
    /// [`ExecutorError::Unknown`](crate::port::ExecutorError::Unknown), and nothing was done.
    UnknownNotDone,
    /// [`ExecutorError::Unknown`](crate::port::ExecutorError::Unknown), and it was done.
    UnknownDone,
}

/// A call as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FakeCall {
    /// `start`
    Start(AttemptId),
    /// `cancel`
    Cancel(AttemptId, Duration),
    /// `list`
    List,
    /// `events`
    Events,
    /// `logs`, with the offset
    Logs(AttemptId, u64),
    /// `remove`
    Remove(AttemptId),
}

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FakeCallKind {
    /// `start`
    Start,
    /// `cancel`
    Cancel,
    /// `list`
    List,
    /// `events`
    Events,
    /// `logs`
    Logs,
    /// `remove`
    Remove,
}

impl FakeCall {
    /// The kind of the call.
    pub fn kind(&self) -> FakeCallKind {
        match self {
            FakeCall::Start(_) => FakeCallKind::Start,
            FakeCall::Cancel(..) => FakeCallKind::Cancel,
            FakeCall::List => FakeCallKind::List,
            FakeCall::Events => FakeCallKind::Events,
            FakeCall::Logs(..) => FakeCallKind::Logs,
            FakeCall::Remove(_) => FakeCallKind::Remove,
        }
    }
}
