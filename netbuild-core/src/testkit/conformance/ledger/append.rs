//! Writing batches of changes.

use super::leader::{AT, Leader};
use super::{Case, Ledgers, Stop, check, equal, list};
use crate::model::{
    AttemptNumber, AttemptState, BuildKey, BuildRecord, BuildState, CancelReason, Cause, Change, Ending,
    IllegalChangeKind, Place,
};
use crate::port::{Batch, Ledger, LedgerError};
use crate::testkit::fixtures::{build, failed, message, planned, publisher, requeued, settled, succeeded};

pub(super) fn cases() -> Vec<Case<dyn Ledger>> {
    list![
        changes_are_applied_in_order,
        a_batch_can_change_many_builds,
        a_repeated_batch_is_written_once,
        a_batch_that_is_not_the_next_is_refused,
        a_new_epoch_counts_its_batches_from_one,
        an_illegal_change_refuses_the_whole_batch,
        a_refused_batch_does_not_take_its_number,
        nothing_changes_a_build_that_ended,
        a_stale_attempt_is_refused,
        only_an_activation_makes_a_build_deployed,
        a_change_of_an_unknown_build_is_refused,
        a_change_with_another_tenants_key_is_refused,
        appending_is_fenced,
        an_old_batch_repeated_after_a_takeover_is_fenced,
    ]
}

/// A leader that admitted the builds 1 to `count`.
async fn leader_of(subject: Ledgers<'_>, count: u64) -> Result<(Leader, Vec<BuildKey>), Stop> {
    let leader = Leader::new(subject.store()).await?;
    let messages: Vec<_> = (1..=count).map(|n| message("api", n, build("acme", "site", n))).collect();
    leader.admit(&messages).await?;
    Ok((leader, messages.into_iter().map(|message| message.build.key()).collect()))
}

fn problem(answer: Result<(), LedgerError>) -> Option<IllegalChangeKind> {
    match answer {
        Err(LedgerError::Illegal(illegal)) => Some(illegal.problem),
        _ => None,
    }
}

fn every_change(key: &BuildKey) -> Vec<Change> {
    let attempt = key.attempt(AttemptNumber::FIRST);
    let build = key.clone();
    vec![
        planned(&attempt, "process", AT),
        planned(&key.attempt(AttemptNumber::new(2)), "process", AT),
        Change::Accepted { attempt: attempt.clone(), host: None, at: AT },
        Change::Running { attempt: attempt.clone(), at: AT },
        settled(&attempt, succeeded(None), AT),
        requeued(key, AT),
        Change::CancelAsked { build: build.clone(), reason: CancelReason::User, at: AT },
        Change::Ended { build: build.clone(), ending: Ending::Passed, at: AT },
        Change::Ended { build: build.clone(), ending: Ending::Cancelled { reason: CancelReason::User }, at: AT },
        Change::Ended { build, ending: Ending::from(Cause::Lost), at: AT },
    ]
}

async fn changes_are_applied_in_order(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys) = leader_of(subject, 1).await?;
    let admitted = leader.record(&keys[0]).await?;
    let place = Place { publisher: publisher("api"), epoch: 1, seq: 1 };
    let mut expected = BuildRecord::admitted(build("acme", "site", 1), place, admitted.rank, admitted.admitted_at);
    let attempt = keys[0].attempt(AttemptNumber::FIRST);
    let batches = [
        vec![planned(&attempt, "process", AT)],
        vec![
            Change::Accepted { attempt: attempt.clone(), host: None, at: AT },
            Change::Running { attempt: attempt.clone(), at: AT },
        ],
        vec![settled(&attempt, failed(Cause::Lost), AT), requeued(&keys[0], AT)],
        vec![Change::CancelAsked { build: keys[0].clone(), reason: CancelReason::User, at: AT }],
    ];
    for changes in batches {
        for change in &changes {
            expected.apply(change)?;
        }
        leader.append(changes).await?;
        equal(leader.record(&keys[0]).await?, expected.clone(), "the record is what its changes make of it")?;
    }
    Ok(())
}

async fn a_batch_can_change_many_builds(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys) = leader_of(subject, 3).await?;
    let plan = |key: &BuildKey| planned(&key.attempt(AttemptNumber::FIRST), "process", AT);
    leader.append(keys.iter().map(plan).collect()).await?;
    for key in &keys {
        let live = BuildState::Live { attempt: AttemptNumber::FIRST };
        equal(leader.state(key).await?, live, "every build of the batch is changed")?;
    }
    Ok(())
}

async fn a_repeated_batch_is_written_once(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys) = leader_of(subject, 1).await?;
    let batch = leader.batch(vec![planned(&keys[0].attempt(AttemptNumber::FIRST), "process", AT)]);
    leader.append(batch.changes.clone()).await?;
    leader.ledger.append(&batch).await?;
    equal(leader.record(&keys[0]).await?.attempts.len(), 1, "the last batch repeated is Ok and written once")?;
    leader.append(vec![]).await?;
    Ok(())
}

async fn a_batch_that_is_not_the_next_is_refused(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys) = leader_of(subject, 1).await?;
    let change = planned(&keys[0].attempt(AttemptNumber::FIRST), "process", AT);
    for (got, expected) in [(0, 1), (2, 1), (0, 3), (1, 3), (4, 3)] {
        while leader.batch(vec![]).number < expected {
            leader.append(vec![]).await?;
        }
        let batch = Batch { epoch: leader.epoch, number: got, changes: vec![change.clone()] };
        match leader.ledger.append(&batch).await {
            Err(LedgerError::BatchOrder { expected: e, got: g }) => {
                equal((e, g), (expected, got), "the refusal says which number comes next")?;
            }
            answer => return Err(Stop::failed(format_args!("batch {got} where {expected} comes next: {answer:?}"))),
        }
        let is_queued = matches!(leader.state(&keys[0]).await?, BuildState::Queued { .. });
        check(is_queued, "nothing of a refused batch is written")?;
    }
    Ok(())
}

async fn a_new_epoch_counts_its_batches_from_one(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys) = leader_of(subject, 1).await?;
    leader.append(vec![]).await?;
    let mut successor = leader.replaced().await?;
    successor.append(vec![planned(&keys[0].attempt(AttemptNumber::FIRST), "process", AT)]).await?;
    let live = BuildState::Live { attempt: AttemptNumber::FIRST };
    equal(successor.state(&keys[0]).await?, live, "batch 1 of a new epoch is not batch 1 of the old one")
}

async fn an_illegal_change_refuses_the_whole_batch(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys) = leader_of(subject, 2).await?;
    let plan = planned(&keys[0].attempt(AttemptNumber::FIRST), "process", AT);
    let illegal = Change::Running { attempt: keys[1].attempt(AttemptNumber::FIRST), at: AT };
    let answer = leader.append(vec![plan.clone(), illegal, plan]).await;
    equal(problem(answer), Some(IllegalChangeKind::StaleAttempt), "an illegal change is refused and named")?;
    for key in &keys {
        let is_queued = matches!(leader.state(key).await?, BuildState::Queued { .. });
        check(is_queued, "nothing of a refused batch is written, neither before nor behind the illegal change")?;
    }
    Ok(())
}

async fn a_refused_batch_does_not_take_its_number(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys) = leader_of(subject, 1).await?;
    leader.append(vec![]).await?;
    let batch = leader.batch(vec![requeued(&keys[0], AT)]);
    check(problem(leader.ledger.append(&batch).await).is_some(), "an illegal change is refused")?;
    check(problem(leader.ledger.append(&batch).await).is_some(), "repeated, it is refused again")?;
    leader.append(vec![planned(&keys[0].attempt(AttemptNumber::FIRST), "process", AT)]).await?;
    let live = BuildState::Live { attempt: AttemptNumber::FIRST };
    equal(leader.state(&keys[0]).await?, live, "a legal batch with the same number is written")
}

async fn nothing_changes_a_build_that_ended(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys) = leader_of(subject, 1).await?;
    leader.fail(&keys[0]).await?;
    let before = leader.record(&keys[0]).await?;
    for change in every_change(&keys[0]) {
        let what = format!("{change:?} after the end");
        equal(problem(leader.append(vec![change]).await), Some(IllegalChangeKind::BuildEnded), &what)?;
    }
    equal(leader.record(&keys[0]).await?, before, "a build that ended stays as it is")
}

async fn a_stale_attempt_is_refused(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys) = leader_of(subject, 1).await?;
    leader.retry(&keys[0]).await?;
    let stale = settled(&keys[0].attempt(AttemptNumber::FIRST), succeeded(None), AT);
    equal(problem(leader.append(vec![stale]).await), Some(IllegalChangeKind::StaleAttempt), "the fence is checked")?;
    let second = &leader.record(&keys[0]).await?.attempts[1];
    equal(&second.state, &AttemptState::Planned, "the live attempt is untouched")
}

async fn only_an_activation_makes_a_build_deployed(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys) = leader_of(subject, 1).await?;
    leader.succeed(&keys[0], 1).await?;
    let BuildState::Activating { deploy, .. } = leader.state(&keys[0]).await? else {
        return Err(Stop::failed("a success with a deploy waits for its activation"));
    };
    let ended = Change::Ended { build: keys[0].clone(), ending: Ending::Deployed { deploy }, at: AT };
    let answer = problem(leader.append(vec![ended]).await);
    equal(answer, Some(IllegalChangeKind::NeedsActivation), "only an activation makes a build deployed")
}

async fn a_change_of_an_unknown_build_is_refused(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys) = leader_of(subject, 1).await?;
    let known = planned(&keys[0].attempt(AttemptNumber::FIRST), "process", AT);
    let unknown = planned(&build("acme", "site", 9).key().attempt(AttemptNumber::FIRST), "process", AT);
    let answer = problem(leader.append(vec![known, unknown]).await);
    equal(answer, Some(IllegalChangeKind::UnknownBuild), "the ledger changes only builds that it admitted")?;
    let is_queued = matches!(leader.state(&keys[0]).await?, BuildState::Queued { .. });
    check(is_queued, "nothing of a refused batch is written")
}

async fn a_change_with_another_tenants_key_is_refused(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys) = leader_of(subject, 1).await?;
    for theirs in [build("globex", "site", 1), build("acme", "blog", 1)] {
        let change = planned(&theirs.key().attempt(AttemptNumber::FIRST), "process", AT);
        let answer = problem(leader.append(vec![change]).await);
        equal(answer, Some(IllegalChangeKind::UnknownBuild), "a key of another tenant finds nothing")?;
    }
    check(leader.record(&keys[0]).await?.attempts.is_empty(), "the build is untouched")
}

async fn appending_is_fenced(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys) = leader_of(subject, 1).await?;
    let successor = leader.replaced().await?;
    let answer = leader.append(vec![planned(&keys[0].attempt(AttemptNumber::FIRST), "process", AT)]).await;
    check(
        matches!(answer, Err(LedgerError::Fenced { current }) if current == successor.epoch),
        "a leader that was replaced writes nothing, and learns which epoch leads",
    )?;
    let is_queued = matches!(leader.state(&keys[0]).await?, BuildState::Queued { .. });
    check(is_queued, "nothing was written")
}

async fn an_old_batch_repeated_after_a_takeover_is_fenced(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, _) = leader_of(subject, 1).await?;
    let batch = leader.batch(vec![]);
    leader.append(vec![]).await?;
    let mut successor = leader.replaced().await?;
    successor.append(vec![]).await?;
    let answer = leader.ledger.append(&batch).await;
    check(matches!(answer, Err(LedgerError::Fenced { .. })), "the fence comes before the batch's number")
}
