//! Making deploys visible.

use std::sync::Arc;

use futures_util::future::join;

use super::leader::{AT, Leader};
use super::{Case, Ledgers, Stop, check, equal, list};
use crate::model::{AttemptNumber, Build, BuildId, BuildKey, BuildState, Change, DeployContext, Ending, Rank};
use crate::port::{Activation, Ledger, LedgerError};
use crate::testkit::fixtures::{build, build_id, deploy, message, planned, settled, succeeded};

pub(super) fn cases() -> Vec<Case<dyn Ledger>> {
    list![
        activating_makes_the_deploy_visible_and_ends_the_build,
        a_newer_build_replaces_an_older_one,
        an_older_build_never_replaces_a_newer_one,
        a_repeated_activation_answers_the_same,
        concurrent_activations_leave_the_newest_visible,
        contexts_are_independent,
        projects_are_independent,
        equal_projects_of_two_accounts_are_independent,
        only_a_waiting_deploy_is_activated,
        only_the_last_attempt_is_activated,
        activating_with_another_tenants_key_is_refused,
        activating_is_fenced,
        reactivating_makes_an_earlier_deploy_visible,
        reactivating_makes_a_superseded_deploy_visible,
        after_reactivating_newer_builds_become_visible_and_older_ones_do_not,
        only_a_deploy_is_reactivated,
    ]
}

/// A leader that admitted builds, with the keys and ranks in their order.
async fn leader_of(subject: Ledgers<'_>, builds: Vec<Build>) -> Result<(Leader, Vec<BuildKey>, Vec<Rank>), Stop> {
    let leader = Leader::new(subject.store()).await?;
    let messages: Vec<_> = builds.into_iter().zip(1..).map(|(build, seq)| message("api", seq, build)).collect();
    let ranks = leader.admit(&messages).await?;
    Ok((leader, messages.into_iter().map(|message| message.build.key()).collect(), ranks))
}

fn builds(count: u64) -> Vec<Build> {
    (1..=count).map(|n| build("acme", "site", n)).collect()
}

/// The visible deploy of the place where `like` deploys.
async fn visible(ledger: &Arc<dyn Ledger>, like: &Build) -> Result<Option<BuildId>, Stop> {
    let deploys = ledger.deploys(&like.account, &like.project, &like.context).await?;
    let current: Vec<BuildId> = deploys.iter().filter(|deploy| deploy.current).map(|deploy| deploy.build).collect();
    check(current.len() <= 1, "one deploy is visible at a time")?;
    Ok(current.first().copied())
}

async fn activating_makes_the_deploy_visible_and_ends_the_build(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys, _) = leader_of(subject, builds(1)).await?;
    let attempt = leader.succeed(&keys[0], 1).await?;
    equal(visible(&leader.ledger, &builds(1)[0]).await?, None, "nothing is visible before the activation")?;
    equal(leader.activate(&attempt).await?, Activation::Visible, "the only deploy becomes visible")?;
    equal(visible(&leader.ledger, &builds(1)[0]).await?, Some(build_id(1)), "it is the visible one")?;
    match leader.state(&keys[0]).await? {
        BuildState::Ended { ending, .. } => equal(ending, Ending::Deployed { deploy: deploy(1) }, "the build ended"),
        state => Err(Stop::failed(format_args!("an activation ends the build, and not as {state:?}"))),
    }
}

async fn a_newer_build_replaces_an_older_one(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys, _) = leader_of(subject, builds(2)).await?;
    leader.deploy(&keys[0], 1).await?;
    equal(leader.deploy(&keys[1], 2).await?, Activation::Visible, "a newer build becomes visible")?;
    equal(visible(&leader.ledger, &builds(1)[0]).await?, Some(build_id(2)), "it replaces the older one")
}

async fn an_older_build_never_replaces_a_newer_one(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys, ranks) = leader_of(subject, builds(2)).await?;
    leader.deploy(&keys[1], 2).await?;
    let answer = leader.deploy(&keys[0], 1).await?;
    equal(answer, Activation::Superseded { by: ranks[1] }, "an older build is superseded by the newer one's rank")?;
    equal(visible(&leader.ledger, &builds(1)[0]).await?, Some(build_id(2)), "the newer deploy stays visible")?;
    match leader.state(&keys[0]).await? {
        BuildState::Ended { ending: Ending::Superseded { deploy: made, by }, .. } => {
            equal((made, by), (deploy(1), ranks[1]), "the build ended as superseded, and its deploy is kept")
        }
        state => Err(Stop::failed(format_args!("an older build ends as superseded, and not as {state:?}"))),
    }
}

async fn a_repeated_activation_answers_the_same(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys, _) = leader_of(subject, builds(3)).await?;
    let mut answers = Vec::new();
    for n in [2, 1, 3] {
        let attempt = leader.succeed(&keys[n - 1], n as u64).await?;
        answers.push((leader.activate(&attempt).await?, attempt));
    }
    let before = leader.ledger.builds(&Default::default()).await?;
    for (answer, attempt) in &answers {
        equal(leader.activate(attempt).await?, *answer, "repeating an activation answers the same")?;
    }
    equal(leader.ledger.builds(&Default::default()).await?, before, "and changes nothing")?;
    equal(visible(&leader.ledger, &builds(1)[0]).await?, Some(build_id(3)), "what is visible stays")
}

async fn concurrent_activations_leave_the_newest_visible(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys, _) = leader_of(subject, builds(2)).await?;
    let older = leader.succeed(&keys[0], 1).await?;
    let newer = leader.succeed(&keys[1], 2).await?;
    let (newer, older) = join(leader.activate(&newer), leader.activate(&older)).await;
    older?;
    equal(newer?, Activation::Visible, "the newest build becomes visible, whoever comes first")?;
    equal(visible(&leader.ledger, &builds(1)[0]).await?, Some(build_id(2)), "and stays")
}

/// Deploys a newer build of one place and then an older one of another: both are visible.
async fn are_independent(subject: Ledgers<'_>, older: Build, newer: Build, promise: &str) -> Result<(), Stop> {
    let (mut leader, keys, _) = leader_of(subject, vec![older.clone(), newer.clone()]).await?;
    equal(leader.deploy(&keys[1], 2).await?, Activation::Visible, promise)?;
    equal(leader.deploy(&keys[0], 1).await?, Activation::Visible, promise)?;
    for build in [older, newer] {
        equal(visible(&leader.ledger, &build).await?, Some(build.id), promise)?;
    }
    Ok(())
}

async fn contexts_are_independent(subject: Ledgers<'_>) -> Result<(), Stop> {
    let preview =
        |name: &str, n| Build { context: DeployContext::Preview(name.to_owned()), ..build("acme", "site", n) };
    let promise = "each context of a project has a visible deploy of its own";
    are_independent(subject, preview("7", 1), preview("8", 2), promise).await
}

async fn projects_are_independent(subject: Ledgers<'_>) -> Result<(), Stop> {
    let promise = "each project of an account has visible deploys of its own";
    are_independent(subject, build("acme", "site", 1), build("acme", "blog", 2), promise).await
}

async fn equal_projects_of_two_accounts_are_independent(subject: Ledgers<'_>) -> Result<(), Stop> {
    let promise = "equal project names of two accounts never touch";
    are_independent(subject, build("acme", "site", 1), build("globex", "site", 2), promise).await
}

fn is_illegal<T>(answer: &Result<T, LedgerError>) -> bool {
    matches!(answer, Err(LedgerError::Illegal(_)))
}

async fn only_a_waiting_deploy_is_activated(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys, _) = leader_of(subject, builds(3)).await?;
    let first = |key: &BuildKey| key.attempt(AttemptNumber::FIRST);
    check(is_illegal(&leader.activate(&first(&keys[0])).await), "a queued build has nothing to activate")?;
    leader.append(vec![planned(&first(&keys[0]), "process", AT)]).await?;
    check(is_illegal(&leader.activate(&first(&keys[0])).await), "a live attempt has nothing to activate")?;
    leader.fail(&keys[1]).await?;
    check(is_illegal(&leader.activate(&first(&keys[1])).await), "a failed build has nothing to activate")?;
    leader
        .append(vec![
            planned(&first(&keys[2]), "process", AT),
            settled(&first(&keys[2]), succeeded(None), AT),
            Change::Ended { build: keys[2].clone(), ending: Ending::Passed, at: AT },
        ])
        .await?;
    check(is_illegal(&leader.activate(&first(&keys[2])).await), "a build that publishes nothing has none either")?;
    let unknown = build("acme", "site", 9).key();
    check(is_illegal(&leader.activate(&first(&unknown)).await), "an unknown build has none either")?;
    equal(visible(&leader.ledger, &builds(1)[0]).await?, None, "nothing became visible")
}

async fn only_the_last_attempt_is_activated(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys, _) = leader_of(subject, builds(1)).await?;
    let second = leader.retry(&keys[0]).await?;
    leader.append(vec![settled(&second, succeeded(Some(deploy(1))), AT)]).await?;
    let others = [keys[0].attempt(AttemptNumber::FIRST), keys[0].attempt(AttemptNumber::new(3))];
    for other in &others {
        check(is_illegal(&leader.activate(other).await), "an attempt that is not the last is refused")?;
    }
    equal(visible(&leader.ledger, &builds(1)[0]).await?, None, "and nothing became visible")?;
    equal(leader.activate(&second).await?, Activation::Visible, "the last one is activated")?;
    for other in &others {
        check(is_illegal(&leader.activate(other).await), "an attempt that is not the last is refused for ever")?;
    }
    Ok(())
}

async fn activating_with_another_tenants_key_is_refused(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys, _) = leader_of(subject, builds(1)).await?;
    leader.succeed(&keys[0], 1).await?;
    for theirs in [build("globex", "site", 1), build("acme", "blog", 1)] {
        let answer = leader.activate(&theirs.key().attempt(AttemptNumber::FIRST)).await;
        check(is_illegal(&answer), "a key of another tenant finds nothing to activate")?;
        equal(visible(&leader.ledger, &theirs).await?, None, "nothing became visible there")?;
    }
    equal(visible(&leader.ledger, &builds(1)[0]).await?, None, "nor here")
}

async fn activating_is_fenced(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys, _) = leader_of(subject, builds(1)).await?;
    let attempt = leader.succeed(&keys[0], 1).await?;
    let successor = leader.replaced().await?;
    let answer = leader.activate(&attempt).await;
    check(
        matches!(answer, Err(LedgerError::Fenced { current }) if current == successor.epoch),
        "a leader that was replaced activates nothing, and learns which epoch leads",
    )?;
    equal(visible(&leader.ledger, &builds(1)[0]).await?, None, "nothing became visible")?;
    equal(successor.activate(&attempt).await?, Activation::Visible, "the leader activates it")
}

async fn reactivating_makes_an_earlier_deploy_visible(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys, _) = leader_of(subject, builds(2)).await?;
    leader.deploy(&keys[0], 1).await?;
    leader.deploy(&keys[1], 2).await?;
    for n in [1, 1, 2] {
        leader.ledger.reactivate(&keys[n - 1]).await?;
        let current = visible(&leader.ledger, &builds(1)[0]).await?;
        equal(current, Some(build_id(n as u64)), "a deploy that was visible can be made visible again")?;
    }
    Ok(())
}

async fn reactivating_makes_a_superseded_deploy_visible(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys, ranks) = leader_of(subject, builds(2)).await?;
    leader.deploy(&keys[1], 2).await?;
    let attempt = leader.succeed(&keys[0], 1).await?;
    leader.activate(&attempt).await?;
    leader.ledger.reactivate(&keys[0]).await?;
    let current = visible(&leader.ledger, &builds(1)[0]).await?;
    equal(current, Some(build_id(1)), "a deploy that was superseded can be made visible")?;
    let answer = leader.activate(&attempt).await?;
    equal(answer, Activation::Superseded { by: ranks[1] }, "what its activation did stays as it was answered")
}

async fn after_reactivating_newer_builds_become_visible_and_older_ones_do_not(
    subject: Ledgers<'_>,
) -> Result<(), Stop> {
    let (mut leader, keys, ranks) = leader_of(subject, builds(4)).await?;
    leader.deploy(&keys[0], 1).await?;
    leader.deploy(&keys[2], 3).await?;
    leader.ledger.reactivate(&keys[0]).await?;
    let older = leader.deploy(&keys[1], 2).await?;
    equal(
        older,
        Activation::Superseded { by: ranks[2] },
        "a build older than the newest that was ever visible is not",
    )?;
    equal(visible(&leader.ledger, &builds(1)[0]).await?, Some(build_id(1)), "the person's choice stays")?;
    equal(leader.deploy(&keys[3], 4).await?, Activation::Visible, "a newer build becomes visible as ever")?;
    equal(visible(&leader.ledger, &builds(1)[0]).await?, Some(build_id(4)), "and replaces the person's choice")
}

async fn only_a_deploy_is_reactivated(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys, _) = leader_of(subject, builds(4)).await?;
    leader.deploy(&keys[0], 1).await?;
    leader.succeed(&keys[1], 2).await?;
    leader.fail(&keys[2]).await?;
    let no_deploy = [
        (&keys[1], "a deploy that waits for its first activation"),
        (&keys[2], "a failed build"),
        (&keys[3], "a queued build"),
        (&build("acme", "site", 9).key(), "an unknown build"),
        (&build("globex", "site", 1).key(), "a key of another account"),
        (&build("acme", "blog", 1).key(), "a key of another project"),
    ];
    for (key, what) in no_deploy {
        let answer = leader.ledger.reactivate(key).await;
        check(matches!(answer, Err(LedgerError::NoDeploy)), what)?;
        equal(visible(&leader.ledger, &builds(1)[0]).await?, Some(build_id(1)), "what is visible stays")?;
    }
    Ok(())
}
