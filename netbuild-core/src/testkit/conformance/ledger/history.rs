//! Reading what happened.

use std::sync::Arc;

use super::leader::{AT, Leader};
use super::{Case, Ledgers, Stop, check, equal, list};
use crate::model::{AttemptNumber, Build, BuildId, BuildKey, DeployContext, ExecutorName, Rank, Timestamp};
use crate::port::{BuildQuery, Ledger, LedgerError};
use crate::testkit::fixtures::{account, build, build_id, deploy, message, planned};

pub(super) fn cases() -> Vec<Case<dyn Ledger>> {
    list![
        open_builds_come_by_rank_and_in_pages,
        open_builds_are_those_that_did_not_end,
        a_key_of_another_tenant_finds_nothing,
        builds_are_narrowed_by_account,
        builds_are_narrowed_by_executor,
        builds_are_narrowed_by_time,
        builds_come_by_rank_and_in_pages,
        deploys_come_newest_rank_first,
        deploys_are_dated_when_they_last_became_visible,
        the_name_key_is_stable,
    ]
}

async fn leader_of(subject: Ledgers<'_>, builds: Vec<Build>) -> Result<(Leader, Vec<BuildKey>, Vec<Rank>), Stop> {
    let leader = Leader::new(subject.store()).await?;
    let messages: Vec<_> = builds.into_iter().zip(1..).map(|(build, seq)| message("api", seq, build)).collect();
    let ranks = leader.admit(&messages).await?;
    Ok((leader, messages.into_iter().map(|message| message.build.key()).collect(), ranks))
}

/// Builds whose ids do not have the order in which they are admitted.
fn unordered() -> Vec<Build> {
    [3, 1, 5, 2, 4].map(|n| build("acme", "site", n)).into()
}

fn ids(numbers: &[u64]) -> Vec<BuildId> {
    numbers.iter().map(|n| build_id(*n)).collect()
}

async fn open(ledger: &Arc<dyn Ledger>, after: Rank, max: usize) -> Result<Vec<BuildId>, LedgerError> {
    Ok(ledger.open_builds(after, max).await?.into_iter().map(|record| record.build.id).collect())
}

async fn found(ledger: &Arc<dyn Ledger>, query: BuildQuery) -> Result<Vec<BuildId>, LedgerError> {
    Ok(ledger.builds(&query).await?.into_iter().map(|record| record.build.id).collect())
}

async fn open_builds_come_by_rank_and_in_pages(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (leader, _, ranks) = leader_of(subject, unordered()).await?;
    let promise = "a page has at most max builds with a rank above after, by rank";
    equal(open(&leader.ledger, Rank::default(), 2).await?, ids(&[3, 1]), promise)?;
    equal(open(&leader.ledger, ranks[1], 2).await?, ids(&[5, 2]), promise)?;
    equal(open(&leader.ledger, ranks[3], 2).await?, ids(&[4]), promise)?;
    equal(open(&leader.ledger, ranks[4], 2).await?, ids(&[]), promise)?;
    equal(open(&leader.ledger, Rank::default(), 0).await?, ids(&[]), promise)
}

async fn open_builds_are_those_that_did_not_end(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys, _) = leader_of(subject, (1..=5).map(|n| build("acme", "site", n)).collect()).await?;
    leader.retry(&keys[0]).await?;
    leader.fail(&keys[1]).await?;
    leader.succeed(&keys[2], 3).await?;
    leader.deploy(&keys[3], 4).await?;
    let expected = ids(&[1, 3, 5]);
    equal(open(&leader.ledger, Rank::default(), 10).await?, expected, "live, waiting and queued builds are open")?;
    equal(open(&leader.ledger, Rank::default(), 2).await?, ids(&[1, 3]), "ended ones take no room on a page")
}

async fn a_key_of_another_tenant_finds_nothing(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (leader, keys, _) = leader_of(subject, vec![build("acme", "site", 1)]).await?;
    check(leader.ledger.build(&keys[0]).await?.is_some(), "the full key finds the build")?;
    for theirs in [build("globex", "site", 1), build("acme", "blog", 1)] {
        equal(leader.ledger.build(&theirs.key()).await?, None, "a key of another tenant finds nothing")?;
    }
    Ok(())
}

async fn builds_are_narrowed_by_account(subject: Ledgers<'_>) -> Result<(), Stop> {
    let all = vec![build("acme", "site", 1), build("globex", "site", 2), build("acme", "blog", 3)];
    let (leader, ..) = leader_of(subject, all).await?;
    let of = |name| BuildQuery { account: Some(account(name)), ..BuildQuery::default() };
    equal(found(&leader.ledger, of("acme")).await?, ids(&[1, 3]), "only builds of the account")?;
    equal(found(&leader.ledger, of("umbrella")).await?, ids(&[]), "none of an account without builds")?;
    equal(found(&leader.ledger, BuildQuery::default()).await?, ids(&[1, 2, 3]), "all without an account")
}

async fn builds_are_narrowed_by_executor(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys, _) = leader_of(subject, (1..=3).map(|n| build("acme", "site", n)).collect()).await?;
    leader.retry(&keys[0]).await?;
    leader.append(vec![planned(&keys[1].attempt(AttemptNumber::FIRST), "k8s", AT)]).await?;
    for (executor, expected) in [("process", ids(&[1])), ("k8s", ids(&[2])), ("docker", ids(&[]))] {
        let query = BuildQuery { executor: ExecutorName::new(executor).ok(), ..BuildQuery::default() };
        equal(found(&leader.ledger, query).await?, expected, "each build once, with any attempt on the executor")?;
    }
    Ok(())
}

async fn builds_are_narrowed_by_time(subject: Ledgers<'_>) -> Result<(), Stop> {
    let leader = Leader::new(subject.store()).await?;
    let unit = subject.unit();
    let mut times = Vec::new();
    for n in 1..=3 {
        let build = build("acme", "site", n);
        let key = build.key();
        leader.admit(&[message("api", n, build)]).await?;
        times.push(leader.record(&key).await?.admitted_at);
        subject.pass(unit).await;
    }
    let between = |since: Timestamp, until: Timestamp| BuildQuery { since, until, ..BuildQuery::default() };
    equal(
        found(&leader.ledger, between(times[1], times[2])).await?,
        ids(&[2]),
        "since is part of the span, until not",
    )?;
    let last = Timestamp::from_millis(u64::MAX);
    equal(found(&leader.ledger, between(times[1], last)).await?, ids(&[2, 3]), "at or after since")?;
    equal(found(&leader.ledger, between(Timestamp::EPOCH, times[1])).await?, ids(&[1]), "before until")
}

async fn builds_come_by_rank_and_in_pages(subject: Ledgers<'_>) -> Result<(), Stop> {
    let (mut leader, keys, ranks) = leader_of(subject, unordered()).await?;
    leader.fail(&keys[0]).await?;
    let page = |after, max| BuildQuery { after, max, ..BuildQuery::default() };
    let promise = "a page has at most max builds with a rank above after, by rank, ended ones too";
    equal(found(&leader.ledger, page(Rank::default(), 2)).await?, ids(&[3, 1]), promise)?;
    equal(found(&leader.ledger, page(ranks[1], 2)).await?, ids(&[5, 2]), promise)?;
    equal(found(&leader.ledger, page(ranks[3], 2)).await?, ids(&[4]), promise)?;
    equal(found(&leader.ledger, page(Rank::default(), 0)).await?, ids(&[]), promise)
}

async fn deploys_come_newest_rank_first(subject: Ledgers<'_>) -> Result<(), Stop> {
    let like = build("acme", "site", 1);
    let elsewhere = Build { context: DeployContext::Branch("dev".to_owned()), ..build("acme", "site", 6) };
    let (mut leader, keys, ranks) = leader_of(subject, [unordered(), vec![elsewhere]].concat()).await?;
    for (n, key) in keys.iter().enumerate().filter(|(n, _)| *n != 1 && *n != 3) {
        leader.deploy(key, n as u64).await?;
    }
    // Superseded, and so never visible.
    leader.deploy(&keys[1], 1).await?;
    leader.ledger.reactivate(&keys[2]).await?;
    let deploys = leader.ledger.deploys(&like.account, &like.project, &like.context).await?;
    let seen: Vec<_> = deploys.iter().map(|d| (d.build, d.rank, d.info.clone(), d.current)).collect();
    let expected = vec![
        (build_id(4), ranks[4], deploy(4), false),
        (build_id(5), ranks[2], deploy(2), true),
        (build_id(3), ranks[0], deploy(0), false),
    ];
    equal(seen, expected, "all deploys of the context that were ever visible, newest rank first")
}

async fn deploys_are_dated_when_they_last_became_visible(subject: Ledgers<'_>) -> Result<(), Stop> {
    let like = build("acme", "site", 1);
    let (mut leader, keys, _) = leader_of(subject, vec![like.clone(), build("acme", "site", 2)]).await?;
    let unit = subject.unit();
    let mut spans = Vec::new();
    for step in 0..3 {
        let before = subject.now();
        match step {
            0 => drop(leader.deploy(&keys[0], 1).await?),
            1 => drop(leader.deploy(&keys[1], 2).await?),
            _ => leader.ledger.reactivate(&keys[0]).await?,
        }
        spans.push(before..=subject.now());
        subject.pass(unit).await;
    }
    let deploys = leader.ledger.deploys(&like.account, &like.project, &like.context).await?;
    equal(deploys.len(), 2, "both were visible")?;
    check(spans[1].contains(&deploys[0].activated_at), "a deploy is dated when it became visible")?;
    check(spans[2].contains(&deploys[1].activated_at), "one that was reactivated, when that was done")
}

async fn the_name_key_is_stable(subject: Ledgers<'_>) -> Result<(), Stop> {
    let ledger = subject.store();
    let first = ledger.name_key().await?;
    check(ledger.name_key().await? == first, "the name key is made once")?;
    check(*first.as_bytes() != [0; 32], "and holds random bytes")
}
