//! The contract of [`Ledger`], with [`LeaderLease`](crate::port::LeaderLease) and [`History`](crate::port::History).

mod activate;
mod admit;
mod append;
mod history;
mod leader;
mod lease;
mod reopen;

use super::report::Report;
use super::suite::{self, Case, Stop, Subject, check, equal, list};
use crate::port::Ledger;

/// Runs all cases, each against a fresh ledger.
pub async fn run<S: Subject<dyn Ledger>>(fresh: impl AsyncFn() -> S) -> Report {
    suite::run(cases(), fresh).await
}

/// The cases.
pub fn cases() -> Vec<Case<dyn Ledger>> {
    [lease::cases(), admit::cases(), append::cases(), activate::cases(), history::cases(), reopen::cases()]
        .into_iter()
        .flatten()
        .collect()
}

type Ledgers<'a> = &'a mut dyn Subject<dyn Ledger>;
