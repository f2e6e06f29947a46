//! What outlives the process.

use super::leader::Leader;
use super::suite::reopen;
use super::{Case, Ledgers, Stop, check, equal, list};
use crate::model::Rank;
use crate::port::{Activation, Ledger, LedgerError};
use crate::testkit::fixtures::{build, message};

pub(super) fn cases() -> Vec<Case<dyn Ledger>> {
    list![
        reopening_keeps_builds_and_cursors,
        reopening_keeps_what_was_activated,
        reopening_keeps_epoch_and_batch_number,
        reopening_keeps_the_name_key,
    ]
}

async fn reopening_keeps_builds_and_cursors(subject: Ledgers<'_>) -> Result<(), Stop> {
    let mut leader = Leader::new(subject.store()).await?;
    let messages = [1, 2].map(|n| message("api", n, build("acme", "site", n)));
    let ranks = leader.admit(&messages).await?;
    leader.retry(&messages[0].build.key()).await?;
    let before = (leader.ledger.open_builds(Rank::default(), 10).await?, leader.ledger.cursors().await?);
    let epoch = leader.epoch;
    drop(leader);
    let ledger = reopen(subject).await?;
    let after = (ledger.open_builds(Rank::default(), 10).await?, ledger.cursors().await?);
    equal(after, before, "builds, attempts and cursors are as they were")?;
    ledger.admit(epoch, &[message("api", 3, build("acme", "site", 3))]).await?;
    let last = ledger.open_builds(ranks[1], 10).await?;
    equal(last.len(), 1, "the next rank is above the last")
}

async fn reopening_keeps_what_was_activated(subject: Ledgers<'_>) -> Result<(), Stop> {
    let mut leader = Leader::new(subject.store()).await?;
    let messages = [1, 2, 3].map(|n| message("api", n, build("acme", "site", n)));
    leader.admit(&messages).await?;
    let like = &messages[0].build;
    leader.deploy(&messages[0].build.key(), 1).await?;
    leader.deploy(&messages[2].build.key(), 3).await?;
    leader.ledger.reactivate(&messages[0].build.key()).await?;
    let attempt = leader.succeed(&messages[1].build.key(), 2).await?;
    let before = leader.ledger.deploys(&like.account, &like.project, &like.context).await?;
    let epoch = leader.epoch;
    drop(leader);
    let ledger = reopen(subject).await?;
    let after = ledger.deploys(&like.account, &like.project, &like.context).await?;
    equal(after, before, "deploys are as they were")?;
    let answer = ledger.activate(epoch, &attempt).await?;
    check(
        matches!(answer, Activation::Superseded { .. }),
        "an older build does not become visible after a crash either",
    )
}

async fn reopening_keeps_epoch_and_batch_number(subject: Ledgers<'_>) -> Result<(), Stop> {
    let mut leader = Leader::new(subject.store()).await?;
    leader.append(vec![]).await?;
    let repeated = leader.batch(vec![]);
    leader.append(vec![]).await?;
    let epoch = leader.epoch;
    drop(leader);
    let ledger = reopen(subject).await?;
    ledger.append(&repeated).await?;
    ledger.resign(epoch).await?;
    let successor = Leader::new(ledger).await?;
    check(successor.epoch > epoch, "an epoch is never given out twice")?;
    let answer = successor.ledger.append(&repeated).await;
    check(matches!(answer, Err(LedgerError::Fenced { .. })), "the old epoch is fenced")
}

async fn reopening_keeps_the_name_key(subject: Ledgers<'_>) -> Result<(), Stop> {
    let before = subject.store().name_key().await?;
    let ledger = reopen(subject).await?;
    check(ledger.name_key().await? == before, "the name key is the same for ever after")
}
