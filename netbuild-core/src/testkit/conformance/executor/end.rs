//! Ending: cancel, what an end tells, and removal.

use std::time::Duration;

use tokio::time::Instant;

use super::under_test::{TestCommand, attempt, is_success};
use super::{Case, ExecutorUnderTest, Executors, Stop, check, equal, list};
use crate::model::{Outcome, Owner, Report};
use crate::port::{ExecutorError, Phase};

pub(super) fn cases() -> Vec<Case<ExecutorUnderTest>> {
    list![
        the_exit_code_is_kept,
        what_vanishes_is_no_success,
        cancel_ends_what_runs_within_the_grace,
        cancel_kills_what_ignores_term_after_the_grace,
        cancel_again_is_harmless,
        cancel_of_what_has_ended_changes_nothing,
        cancel_of_what_is_absent_is_no_error,
        a_removed_attempt_is_absent_and_its_name_free,
        what_runs_is_not_removed,
        remove_of_another_attempt_changes_nothing,
        remove_of_what_is_absent_is_no_error,
    ]
}

/// A grace that no case waits for.
const LONG: Duration = Duration::from_secs(3_600);

async fn the_exit_code_is_kept(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    for (n, code) in [(1, 1), (2, 3), (3, 137)] {
        let report = test.finish(&attempt(n, 1), TestCommand::Exit(code)).await?;
        equal(report.outcome.exit_code(), Some(code), "the code of the command is told as it was")?;
        let owner = report.outcome.failure().map(|failure| failure.owner());
        equal(owner, Some(Owner::Customer), "and is the customer's")?;
    }
    Ok(())
}

async fn what_vanishes_is_no_success(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    let Some(destroy) = test.destroy.clone() else {
        return Err(Stop::skipped("the subject cannot destroy an attempt"));
    };
    test.run(&attempt(1, 1), TestCommand::RunUntilCancelled).await?;
    destroy(attempt(1, 1)).await;
    let gone_or_ended = |phase: Option<Phase>| match phase {
        None => Some(None),
        Some(Phase::Ended { report }) => Some(Some(report)),
        Some(_) => None,
    };
    let ended = test.wait(&attempt(1, 1), "ends or is gone", gone_or_ended).await?;
    let owner = |report: Report| report.outcome.failure().map(|failure| failure.owner());
    check(
        ended.is_none_or(|report| owner(report) == Some(Owner::Infrastructure)),
        "what vanished is absent, or failed for a reason of the infrastructure",
    )
}

async fn cancel_ends_what_runs_within_the_grace(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    test.run(&attempt(1, 1), TestCommand::RunUntilCancelled).await?;
    test.run(&attempt(2, 1), TestCommand::RunUntilCancelled).await?;
    test.executor.cancel(&attempt(1, 1), LONG).await?;
    let report = test.end(&attempt(1, 1)).await?;
    equal(report.outcome, Outcome::Cancelled, "what is asked to end ends as cancelled, long before the grace does")?;
    check(matches!(test.phase(&attempt(2, 1)).await?, Some(Phase::Running { .. })), "another build runs on")
}

async fn cancel_kills_what_ignores_term_after_the_grace(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    if !test.executor.capabilities().cancel_grace {
        return Err(Stop::skipped("it does not declare a grace"));
    }
    test.run(&attempt(1, 1), TestCommand::IgnoreTerm).await?;
    let asked = Instant::now();
    test.executor.cancel(&attempt(1, 1), subject.unit()).await?;
    check(!is_success(&test.end(&attempt(1, 1)).await?), "what is killed is no success")?;
    check(asked.elapsed() >= subject.unit(), "it is not killed before the grace is over")
}

async fn cancel_again_is_harmless(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    test.run(&attempt(1, 1), TestCommand::IgnoreTerm).await?;
    for _ in 0..3 {
        test.executor.cancel(&attempt(1, 1), subject.unit()).await?;
    }
    let report = test.end(&attempt(1, 1)).await?;
    check(!is_success(&report), "what was cancelled is no success")?;
    test.executor.cancel(&attempt(1, 1), subject.unit()).await?;
    equal(test.phase(&attempt(1, 1)).await?, Some(Phase::Ended { report }), "an end stays as it was told")
}

async fn cancel_of_what_has_ended_changes_nothing(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    let report = test.finish(&attempt(1, 1), TestCommand::Succeed).await?;
    test.executor.cancel(&attempt(1, 1), Duration::ZERO).await?;
    equal(test.phase(&attempt(1, 1)).await?, Some(Phase::Ended { report }), "an end stays as it was told")
}

async fn cancel_of_what_is_absent_is_no_error(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    test.executor.cancel(&attempt(1, 1), subject.unit()).await?;
    test.run(&attempt(1, 2), TestCommand::RunUntilCancelled).await?;
    test.executor.cancel(&attempt(1, 1), Duration::ZERO).await?;
    test.executor.cancel(&attempt(1, 3), Duration::ZERO).await?;
    subject.pass(subject.unit()).await;
    check(
        matches!(test.phase(&attempt(1, 2)).await?, Some(Phase::Running { .. })),
        "a cancel of another attempt of the build does not reach this one",
    )
}

async fn a_removed_attempt_is_absent_and_its_name_free(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    test.finish(&attempt(1, 1), TestCommand::Exit(3)).await?;
    test.executor.remove(&attempt(1, 1)).await?;
    equal(test.phase(&attempt(1, 1)).await?, None, "a removed attempt is absent")?;
    let report = test.finish(&attempt(1, 1), TestCommand::Succeed).await?;
    check(is_success(&report), "its name is free, and nothing of it is left")
}

async fn what_runs_is_not_removed(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    test.run(&attempt(1, 1), TestCommand::RunUntilCancelled).await?;
    let answer = test.executor.remove(&attempt(1, 1)).await;
    check(matches!(answer, Err(ExecutorError::StillRuns)), "what runs is refused as still running")?;
    check(matches!(test.phase(&attempt(1, 1)).await?, Some(Phase::Running { .. })), "and runs on")
}

async fn remove_of_another_attempt_changes_nothing(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    let report = test.finish(&attempt(1, 2), TestCommand::Exit(3)).await?;
    test.executor.remove(&attempt(1, 1)).await?;
    test.executor.remove(&attempt(1, 3)).await?;
    equal(test.phase(&attempt(1, 2)).await?, Some(Phase::Ended { report }), "only that very attempt is removed")
}

async fn remove_of_what_is_absent_is_no_error(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    test.executor.remove(&attempt(1, 1)).await?;
    test.finish(&attempt(1, 1), TestCommand::Succeed).await?;
    test.executor.remove(&attempt(1, 1)).await?;
    test.executor.remove(&attempt(1, 1)).await?;
    Ok(())
}
