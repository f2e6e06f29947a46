//! Starting: the name, the fence and the slots.

use futures_util::future::join_all;

use super::under_test::{TestCommand, attempt, is_success, reopen};
use super::{Case, ExecutorUnderTest, Executors, Stop, check, equal, list};
use crate::model::AttemptNumber;
use crate::port::{Phase, StartError, Started};
use crate::testkit::fixtures::build;

pub(super) fn cases() -> Vec<Case<ExecutorUnderTest>> {
    list![
        a_start_creates_and_the_attempt_ends,
        a_repeated_start_adopts_what_runs,
        a_repeated_start_adopts_what_has_ended,
        a_lower_fence_that_is_over_is_replaced,
        a_lower_fence_that_runs_keeps_the_name,
        a_higher_fence_makes_the_caller_stale,
        of_concurrent_starts_one_creates,
        tenants_with_equal_names_do_not_meet,
        past_its_slots_it_is_full,
        attempts_outlive_the_scheduler,
    ]
}

/// The most slots that the suite fills.
const MAX_SLOTS: u32 = 8;

async fn a_start_creates_and_the_attempt_ends(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    equal(test.phase(&attempt(1, 1)).await?, None, "an executor begins empty")?;
    let report = test.finish(&attempt(1, 1), TestCommand::Succeed).await?;
    check(is_success(&report), "a command that ends with 0 is a success")
}

async fn a_repeated_start_adopts_what_runs(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    test.run(&attempt(1, 1), TestCommand::RunUntilCancelled).await?;
    match test.executor.start(&test.request(&attempt(1, 1), TestCommand::RunUntilCancelled)).await? {
        Started::Adopted { observed } => {
            equal(observed.attempt, attempt(1, 1), "it adopts this very attempt")?;
            check(matches!(observed.phase, Phase::Running { .. }), "and tells that it runs")
        }
        Started::Created { .. } => Err(Stop::failed("what runs is not created again")),
    }
}

async fn a_repeated_start_adopts_what_has_ended(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    let report = test.finish(&attempt(1, 1), TestCommand::Exit(3)).await?;
    // Would it run again, it would end in another way.
    match test.executor.start(&test.request(&attempt(1, 1), TestCommand::Succeed)).await? {
        Started::Adopted { observed } => {
            equal(observed.phase, Phase::Ended { report: report.clone() }, "it adopts the end")?;
        }
        Started::Created { .. } => return Err(Stop::failed("what has ended is never started a second time")),
    }
    equal(test.phase(&attempt(1, 1)).await?, Some(Phase::Ended { report }), "and the end stays")
}

async fn a_lower_fence_that_is_over_is_replaced(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    test.finish(&attempt(1, 1), TestCommand::Exit(3)).await?;
    test.run(&attempt(1, 2), TestCommand::RunUntilCancelled).await?;
    equal(test.phase(&attempt(1, 1)).await?, None, "the earlier attempt is removed for good")
}

async fn a_lower_fence_that_runs_keeps_the_name(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    test.run(&attempt(1, 1), TestCommand::RunUntilCancelled).await?;
    let answer = test.executor.start(&test.request(&attempt(1, 2), TestCommand::Succeed)).await;
    let by = AttemptNumber::FIRST;
    check(
        matches!(&answer, Err(StartError::NameTaken { by: taken }) if *taken == by),
        "the name of a running attempt is taken, and the answer says by which",
    )?;
    equal(test.phase(&attempt(1, 2)).await?, None, "the later attempt is not there")?;
    check(matches!(test.phase(&attempt(1, 1)).await?, Some(Phase::Running { .. })), "and the earlier one runs on")
}

async fn a_higher_fence_makes_the_caller_stale(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    for (n, ended) in [(1, false), (2, true)] {
        if ended {
            test.finish(&attempt(n, 2), TestCommand::Succeed).await?;
        } else {
            test.run(&attempt(n, 2), TestCommand::RunUntilCancelled).await?;
        }
        let answer = test.executor.start(&test.request(&attempt(n, 1), TestCommand::Succeed)).await;
        let by = AttemptNumber::new(2);
        check(
            matches!(&answer, Err(StartError::Stale { by: later }) if *later == by),
            "whoever starts an earlier attempt is stale, also when the later one has ended",
        )?;
        check(test.phase(&attempt(n, 2)).await?.is_some(), "the later attempt is untouched")?;
        equal(test.phase(&attempt(n, 1)).await?, None, "the earlier one is not there")?;
    }
    Ok(())
}

async fn of_concurrent_starts_one_creates(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    let request = test.request(&attempt(1, 1), TestCommand::RunUntilCancelled);
    let mut created = 0;
    for answer in join_all((0..8).map(|_| test.executor.start(&request))).await {
        created += usize::from(matches!(answer?, Started::Created { .. }));
    }
    equal(created, 1, "one of many starts at once creates, the others adopt")?;
    check(test.phase(&attempt(1, 1)).await?.is_some(), "and the attempt is there")
}

async fn tenants_with_equal_names_do_not_meet(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    let [ours, theirs, other] = [("acme", "site"), ("globex", "site"), ("acme", "blog")]
        .map(|(account, project)| build(account, project, 1).key().attempt(AttemptNumber::FIRST));
    test.run(&ours, TestCommand::RunUntilCancelled).await?;
    let report = test.finish(&theirs, TestCommand::Exit(3)).await?;
    equal(report.outcome.exit_code(), Some(3), "each has its own attempt")?;
    test.executor.cancel(&other, subject.unit()).await?;
    test.executor.cancel(&theirs, subject.unit()).await?;
    test.executor.remove(&theirs).await?;
    check(
        matches!(test.phase(&ours).await?, Some(Phase::Running { .. })),
        "a build of equal id of another account or project is another build",
    )
}

async fn past_its_slots_it_is_full(subject: Executors<'_>) -> Result<(), Stop> {
    let test = subject.store();
    let slots = match test.executor.capabilities().slots {
        Some(slots) if slots <= MAX_SLOTS => u64::from(slots),
        Some(_) => return Err(Stop::skipped("it has more slots than the suite fills")),
        None => return Err(Stop::skipped("it declares no slots")),
    };
    for n in 1..=slots {
        test.create(&attempt(n, 1), TestCommand::RunUntilCancelled).await?;
    }
    let one_more = test.request(&attempt(slots + 1, 1), TestCommand::RunUntilCancelled);
    check(matches!(test.executor.start(&one_more).await, Err(StartError::Full)), "past its slots it is full")?;
    equal(test.phase(&attempt(slots + 1, 1)).await?, None, "and nothing was started")?;
    let again = test.executor.start(&test.request(&attempt(1, 1), TestCommand::RunUntilCancelled)).await?;
    check(matches!(again, Started::Adopted { .. }), "what runs is adopted all the same")?;
    test.executor.cancel(&attempt(1, 1), subject.unit()).await?;
    test.end(&attempt(1, 1)).await?;
    test.create(&attempt(slots + 1, 1), TestCommand::RunUntilCancelled).await
}

async fn attempts_outlive_the_scheduler(subject: Executors<'_>) -> Result<(), Stop> {
    subject.store().run(&attempt(1, 1), TestCommand::RunUntilCancelled).await?;
    let report = subject.store().finish(&attempt(2, 1), TestCommand::Exit(3)).await?;
    let test = reopen(subject).await?;
    check(matches!(test.phase(&attempt(1, 1)).await?, Some(Phase::Running { .. })), "what ran runs on")?;
    equal(test.phase(&attempt(2, 1)).await?, Some(Phase::Ended { report }), "what had ended is known")?;
    let again = test.executor.start(&test.request(&attempt(1, 1), TestCommand::RunUntilCancelled)).await?;
    check(matches!(again, Started::Adopted { .. }), "a start of what runs adopts it")?;
    test.executor.cancel(&attempt(1, 1), subject.unit()).await?;
    check(!is_success(&test.end(&attempt(1, 1)).await?), "and it can be ended")
}
