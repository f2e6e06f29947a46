//! The rule that says which queued build starts next.

use std::fmt::Debug;
use std::sync::Arc;

use crate::model::{AccountId, Build, ExecutorName, Priority, Rank, Timestamp};

/// A queued build, as a policy sees it. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The build, whole: a policy may look at anything in it.
    pub build: Arc<Build>,
    /// Its place in the order of admission, and its name between engine and policy: no two open builds have the same. A
    /// retry keeps its rank.
    pub rank: Rank,
    /// The lane it waits in: each executor has one, and a full lane never holds up another.
    pub lane: ExecutorName,
}

impl Queued {
    /// The account that asked for the build.
    pub fn account(&self) -> &AccountId {
        &self.build.account
    }

    /// The build's priority.
    pub fn priority(&self) -> Priority {
        self.build.priority
    }
}

/// Decides which queued build starts next. Implement it to bring your own scheduling rule.
///
/// # Contract
/// - The engine tells every step: a build is `enqueued` into a lane; it leaves the lane by `started` or `withdrawn`;
///   after `started` it is `finished` once. A retry is enqueued again after that. After a restart what runs already is
///   told as `enqueued` and `started`, named or not.
/// - `next` names a build, by its rank, that is enqueued in that lane and changes nothing; the engine starts it and says
///   `started`, or asks again later. `None` means that nothing in this lane may start now.
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

    /// The rank of the build to start next in a lane.
    fn next(&mut self, lane: &ExecutorName, now: Timestamp) -> Option<Rank>;
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::testkit::fixtures;

    /// A queued build of an account.
    pub(crate) fn queued(account: &str, rank: u64, priority: i16, lane: &str) -> Queued {
        let build = Build { priority: Priority(priority), ..fixtures::build(account, "site", rank) };
        Queued { build: Arc::new(build), rank: Rank(rank), lane: fixtures::route(lane).executor }
    }
}
