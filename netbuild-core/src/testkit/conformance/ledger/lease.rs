//! The leader lease.

use super::leader::{Leader, lead};
use super::{Case, Ledgers, Stop, check, equal, list};
use crate::port::{Lead, Ledger};
use crate::testkit::fixtures::holder;

pub(super) fn cases() -> Vec<Case<dyn Ledger>> {
    list![
        a_held_lease_is_not_given_to_another,
        renewing_keeps_the_epoch,
        renewing_makes_the_lease_longer,
        a_lease_that_is_over_passes_on_with_a_higher_epoch,
        a_holder_that_comes_back_gets_a_higher_epoch,
        a_resigned_lease_is_free_at_once,
        a_resigned_lease_starts_anew_for_its_holder,
        resigning_an_epoch_that_does_not_lead_is_ignored,
    ]
}

async fn a_held_lease_is_not_given_to_another(subject: Ledgers<'_>) -> Result<(), Stop> {
    let ledger = subject.store();
    let ttl = subject.unit() * 10;
    lead(&ledger, "a", ttl).await?;
    match ledger.lead(&holder("b"), ttl).await? {
        Lead::Taken { by, left } => {
            equal(by, holder("a"), "the answer names who leads")?;
            check(!left.is_zero() && left <= ttl, "the answer says how long the lease still runs")
        }
        Lead::Held { .. } => Err(Stop::failed("one holder leads at a time")),
    }
}

async fn renewing_keeps_the_epoch(subject: Ledgers<'_>) -> Result<(), Stop> {
    let ledger = subject.store();
    let unit = subject.unit();
    let epoch = lead(&ledger, "a", unit * 10).await?;
    subject.pass(unit).await;
    equal(lead(&ledger, "a", unit * 10).await?, epoch, "renewing in time keeps the epoch")
}

async fn renewing_makes_the_lease_longer(subject: Ledgers<'_>) -> Result<(), Stop> {
    let ledger = subject.store();
    let unit = subject.unit();
    lead(&ledger, "a", unit * 10).await?;
    subject.pass(unit * 6).await;
    lead(&ledger, "a", unit * 10).await?;
    subject.pass(unit * 6).await;
    let answer = ledger.lead(&holder("b"), unit).await?;
    check(matches!(answer, Lead::Taken { .. }), "a renewed lease runs for its ttl from the renewal")
}

async fn a_lease_that_is_over_passes_on_with_a_higher_epoch(subject: Ledgers<'_>) -> Result<(), Stop> {
    let ledger = subject.store();
    let unit = subject.unit();
    let first = lead(&ledger, "a", unit * 2).await?;
    subject.pass(unit * 3).await;
    let second = lead(&ledger, "b", unit * 10).await?;
    check(second > first, "the epoch grows when the lease passes on")?;
    let answer = ledger.lead(&holder("a"), unit).await?;
    check(matches!(answer, Lead::Taken { .. }), "the earlier holder does not lead any more")
}

async fn a_holder_that_comes_back_gets_a_higher_epoch(subject: Ledgers<'_>) -> Result<(), Stop> {
    let ledger = subject.store();
    let unit = subject.unit();
    let first = lead(&ledger, "a", unit * 2).await?;
    subject.pass(unit * 3).await;
    let second = lead(&ledger, "a", unit * 2).await?;
    check(second > first, "a holder whose lease was over gets a new epoch, even when nobody else took it")
}

async fn a_resigned_lease_is_free_at_once(subject: Ledgers<'_>) -> Result<(), Stop> {
    let leader = Leader::new(subject.store()).await?;
    let successor = leader.replaced().await?;
    check(successor.epoch > leader.epoch, "the epoch grows when the lease passes on")
}

async fn a_resigned_lease_starts_anew_for_its_holder(subject: Ledgers<'_>) -> Result<(), Stop> {
    let ledger = subject.store();
    let unit = subject.unit();
    let first = lead(&ledger, "a", unit * 10).await?;
    ledger.resign(first).await?;
    check(lead(&ledger, "a", unit * 10).await? > first, "a holder that resigned gets a new epoch")
}

async fn resigning_an_epoch_that_does_not_lead_is_ignored(subject: Ledgers<'_>) -> Result<(), Stop> {
    let leader = Leader::new(subject.store()).await?;
    let successor = leader.replaced().await?;
    leader.ledger.resign(leader.epoch).await?;
    match leader.ledger.lead(&holder("leader"), subject.unit()).await? {
        Lead::Taken { by, .. } => equal(by, holder("successor"), "an old epoch cannot give the lease away")?,
        Lead::Held { .. } => return Err(Stop::failed("an old epoch cannot give the lease away")),
    }
    successor.ledger.resign(successor.epoch).await?;
    successor.ledger.resign(successor.epoch).await?;
    Ok(())
}
