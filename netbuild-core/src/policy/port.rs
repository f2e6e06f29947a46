//! The rule that says which queued build starts next.

use std::fmt::Debug;

use crate::model::{AccountId, BuildId, ExecutorName, Priority, ProjectId, Rank, Timestamp};

/// A queued build, as a policy sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The build.
    pub id: BuildId,
    /// Its account.
    pub account: AccountId,
    /// Its project.
    pub project: ProjectId,
    /// Its priority.
    pub priority: Priority,
    /// Its place in the order of admission. A retry keeps its rank.
    pub rank: Rank,
    /// The lane it waits in: each executor has one, and a full lane never holds up another.
    pub lane: ExecutorName,
}

/// Decides which queued build starts next. Implement it to bring your own scheduling rule.
///
/// # Contract
/// - The engine tells every step: a build is `enqueued` into a lane; it leaves the lane by `started` or `withdrawn`;
///   after `started` it is `finished` once. A retry is enqueued again after that. After a restart what runs already is
///   told as `enqueued` and `started`, named or not.
/// - `next` names a build that is enqueued in that lane and changes nothing; the engine starts it and says `started`,
///   or asks again later. `None` means that nothing in this lane may start now.
/// - It is deterministic: the same calls give the same answers. Time is the argument; there is no clock and no randomness
///   but what it was built with.
/// - `next` and each step cost O(log n) in the builds that wait.
///
/// An answer that breaks the contract is counted, and nothing more starts in that lane until the next step asks again. It
/// holds up no other lane and loses no build: at worst those of its lane reach their queue limit.
pub trait Policy: Debug + Send + 'static {
    /// A build waits in its lane.
    fn enqueued(&mut self, build: &Queued);

    /// A waiting build left without starting: cancelled, over its time, superseded or routed to another lane.
    fn withdrawn(&mut self, build: &Queued);

    /// A waiting build started.
    fn started(&mut self, build: &Queued);

    /// A started build stopped running, for whatever reason.
    fn finished(&mut self, build: &Queued);

    /// The build to start next in a lane.
    fn next(&mut self, lane: &ExecutorName, now: Timestamp) -> Option<BuildId>;
}
