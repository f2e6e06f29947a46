//! Why a runner stops before its work is done, and the signal that says so to all of its parts.

use std::sync::Arc;

use netbuild_core::model::{Cause, DeployInfo, Failure, Outcome, RunPhase};
use tokio::sync::watch;

/// Why to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopReason {
    /// The gateway ordered it.
    Ordered,
    /// The executor sent TERM.
    Terminated,
    /// The lease ended without an answer from the gateway.
    LeaseLost,
    /// The run limit passed.
    RunTimeout,
}

/// Why the phases ended without a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// A phase failed.
    Failed(Failure),
    /// They were stopped.
    Stopped(StopReason),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Halt::Failed(failure)
    }
}

/// How an attempt ended whose phases ended like this, the last of them being `phase`.
pub(super) fn outcome(phases: Result<Option<DeployInfo>, Halt>, phase: RunPhase) -> Outcome {
    match phases {
        Ok(deploy) => Outcome::Succeeded { deploy },
        Err(Halt::Failed(failure)) => Outcome::Failed(failure),
        Err(Halt::Stopped(StopReason::Ordered | StopReason::Terminated)) => Outcome::Cancelled,
        Err(Halt::Stopped(StopReason::LeaseLost)) => {
            Outcome::Failed(Failure::new(Cause::LeaseLost, "the gateway gave no answer until the lease ended"))
        }
        Err(Halt::Stopped(StopReason::RunTimeout)) => Outcome::Failed(timeout(phase)),
    }
}

/// How the work after a success ended, with the run limit left out: it is for the build, which is done.
///
/// # Errors
/// The other reasons: a cancelled build deploys nothing, and one without a lease may run elsewhere already.
pub(super) fn after_success(saving: Result<(), Halt>) -> Result<(), Halt> {
    match saving {
        Err(Halt::Stopped(StopReason::RunTimeout)) => Ok(()),
        end => end,
    }
}

/// Whose fault it is that the run limit passed: only in their own command the customer's.
fn timeout(phase: RunPhase) -> Failure {
    match phase {
        RunPhase::Fetch => Failure::new(Cause::SourceUnavailable, "the run limit passed before the source was fetched"),
        RunPhase::Restore => Failure::new(Cause::RunnerBroken, "the run limit passed before the caches were restored"),
        RunPhase::Upload => Failure::new(Cause::UploadFailed, "the run limit passed before everything was uploaded"),
        _ => Failure::new(Cause::RunTimeout, "the run limit passed; make the build faster or raise the limit"),
    }
}

/// The stop signal: asked once, seen by all who hold it.
#[derive(Clone, Debug)]
pub(super) struct Stop(Arc<watch::Sender<Option<StopReason>>>);

impl Stop {
    /// A signal that nobody has given.
    pub(super) fn new() -> Self {
        Stop(Arc::new(watch::Sender::new(None)))
    }

    /// Gives the signal; the first reason stays.
    pub(super) fn ask(&self, reason: StopReason) {
        self.0.send_if_modified(|now| {
            let first = now.is_none();
            now.get_or_insert(reason);
            first
        });
    }

    /// Waits until the signal is given.
    pub(super) async fn asked(&self) -> StopReason {
        let mut receiver = self.0.subscribe();
        let reason = receiver.wait_for(Option::is_some).await.expect("the sender lives in `self`");
        reason.expect("waited for")
    }

    /// Runs `work` until it ends or the signal is given, which drops it.
    pub(super) async fn unless_asked<T>(&self, work: impl Future<Output = T>) -> Result<T, Halt> {
        tokio::select! {
            biased;
            reason = self.asked() => Err(Halt::Stopped(reason)),
            done = work => Ok(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_becomes_the_outcome_of_its_first_reason() {
        let table = [
            (StopReason::Ordered, RunPhase::Run, "cancelled"),
            (StopReason::Terminated, RunPhase::Upload, "cancelled"),
            (StopReason::LeaseLost, RunPhase::Run, "lease_lost"),
            (StopReason::RunTimeout, RunPhase::Fetch, "source_unavailable"),
            (StopReason::RunTimeout, RunPhase::Restore, "runner_broken"),
            (StopReason::RunTimeout, RunPhase::Run, "run_timeout"),
            (StopReason::RunTimeout, RunPhase::Collect, "run_timeout"),
            (StopReason::RunTimeout, RunPhase::Upload, "upload_failed"),
        ];
        for (reason, phase, label) in table {
            let stop = Stop::new();
            stop.ask(reason);
            stop.ask(StopReason::Ordered);
            assert_eq!(outcome(Err(Halt::Stopped(stop.asked().await)), phase).label(), label);
        }
        assert_eq!(outcome(Ok(None), RunPhase::Run), Outcome::Succeeded { deploy: None });
    }

    #[test]
    fn a_success_outlives_the_run_limit_and_nothing_else() {
        assert_eq!(after_success(Ok(())), Ok(()));
        assert_eq!(after_success(Err(Halt::Stopped(StopReason::RunTimeout))), Ok(()));
        for reason in [StopReason::Ordered, StopReason::Terminated, StopReason::LeaseLost] {
            assert_eq!(after_success(Err(Halt::Stopped(reason))), Err(Halt::Stopped(reason)));
        }
    }

    #[tokio::test]
    async fn a_stop_wins_over_work_that_is_done_at_the_same_time() {
        let stop = Stop::new();
        assert_eq!(stop.unless_asked(async { 1 }).await, Ok(1));
        stop.ask(StopReason::Terminated);
        assert_eq!(stop.unless_asked(async { 1 }).await, Err(Halt::Stopped(StopReason::Terminated)));
    }
}
