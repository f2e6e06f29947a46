//! What all suites are made of: the subject, the case, and the steps of a case.

use std::error::Error;
use std::fmt::{self, Debug, Write};
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use super::report::{Report, Verdict};
use crate::model::Timestamp;

/// What one case runs against: a fresh, empty store behind the port `P`, and the world around it.
#[async_trait]
pub trait Subject<P: ?Sized + Send + Sync>: Send {
    /// The store. After [`reopen`](Self::reopen) the one that was opened again.
    fn store(&self) -> Arc<P>;

    /// The store's bound: pending messages of an outbox, messages of a queue. Small, 8 to 100, so that a case can reach
    /// it; `None` when this store has none, or none that is small.
    fn limit(&self) -> Option<u64>;

    /// The time by the store's clock.
    fn now(&self) -> Timestamp;

    /// Lets time pass for the store: advances its clock, or sleeps.
    async fn pass(&mut self, time: Duration);

    /// Ends the store as a crash would, without a farewell, and opens what it kept. `false`, and nothing done, when it
    /// keeps nothing.
    async fn reopen(&mut self) -> bool;

    /// Breaks every connection between this store and its server, at once and without a word; new ones can be made.
    /// `false`, and nothing done, when there is none that it could break.
    async fn cut(&mut self) -> bool {
        false
    }

    /// Breaks the connection that the store writes to once so many more bytes went towards the server, in the middle of
    /// what is sent; new ones can be made. `false`, and nothing done, when there is none that it could break.
    async fn cut_after(&mut self, _bytes: u64) -> bool {
        false
    }

    /// Puts bytes into a queue as if they had been published, past the adapter. `false`, and nothing done, when there is no
    /// way to.
    async fn inject(&mut self, _bytes: &[u8]) -> bool {
        false
    }

    /// The suite's measure of time: leases and delays are a few of it. Where [`pass`](Self::pass) sleeps it should be
    /// short, but at least 100 ms and long against the time of one call: a case takes up to 20 of it, and fails when it
    /// takes more than a minute of tokio's time.
    fn unit(&self) -> Duration {
        Duration::from_secs(60)
    }
}

/// A named part of a port's contract.
pub struct Case<P: ?Sized> {
    name: &'static str,
    steps: Steps<P>,
}

/// The steps of a case.
pub(super) type Steps<P> = for<'a> fn(&'a mut dyn Subject<P>) -> BoxFuture<'a, Result<(), Stop>>;

/// A case that takes longer, by tokio's time, has failed: the store hangs.
const DEADLINE: Duration = Duration::from_secs(60);

impl<P: ?Sized + Send + Sync> Case<P> {
    /// A case.
    pub(super) const fn new(name: &'static str, steps: Steps<P>) -> Self {
        Case { name, steps }
    }

    /// What it checks, in words with underscores.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Runs it against a fresh subject.
    pub async fn run(&self, subject: &mut dyn Subject<P>) -> Verdict {
        match tokio::time::timeout(DEADLINE, (self.steps)(subject)).await {
            Ok(Ok(())) => Verdict::Passed,
            Ok(Err(Stop::Skipped(reason))) => Verdict::Skipped(reason),
            Ok(Err(Stop::Failed(finding))) => Verdict::Failed(finding),
            Err(_) => Verdict::Failed(format!("the store gave no answer within {DEADLINE:?}")),
        }
    }
}

impl<P: ?Sized> Debug for Case<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Case({})", self.name)
    }
}

/// Runs cases, each against a fresh subject.
pub(super) async fn run<P, S>(cases: Vec<Case<P>>, fresh: impl AsyncFn() -> S) -> Report
where
    P: ?Sized + Send + Sync,
    S: Subject<P>,
{
    let mut report = Report::default();
    for case in cases {
        report.add(case.name, case.run(&mut fresh().await).await);
    }
    report
}

/// Why a case ends early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It does not concern this implementation, for this reason.
    Skipped(String),
    /// The contract is broken: where in the suite, and what was found.
    Failed(String),
}

impl Stop {
    /// The case does not concern this implementation.
    pub(super) fn skipped(reason: &str) -> Self {
        Stop::Skipped(reason.to_owned())
    }

    /// The contract is broken.
    #[track_caller]
    pub(super) fn failed(finding: impl fmt::Display) -> Self {
        let place = Location::caller();
        Stop::Failed(format!("{finding} ({}:{})", place.file(), place.line()))
    }
}

/// A call that must succeed and did not ends the case with `?`.
impl<E: Error> From<E> for Stop {
    #[track_caller]
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            // Writing to a String cannot fail.
            let _ = write!(text, ": {cause}");
            source = cause.source();
        }
        Stop::failed(text)
    }
}

/// Goes on when the promise is kept.
#[track_caller]
pub(super) fn check(kept: bool, promise: &str) -> Result<(), Stop> {
    if kept { Ok(()) } else { Err(Stop::failed(promise)) }
}

/// Goes on when what was found is what was expected.
#[track_caller]
pub(super) fn equal<T: PartialEq + Debug>(found: T, expected: T, promise: &str) -> Result<(), Stop> {
    if found == expected {
        Ok(())
    } else {
        Err(Stop::failed(format_args!("{promise}: found {found:?}, expected {expected:?}")))
    }
}

/// Opens the store again, or skips the case.
pub(super) async fn reopen<P: ?Sized + Send + Sync>(subject: &mut dyn Subject<P>) -> Result<Arc<P>, Stop> {
    if subject.reopen().await {
        Ok(subject.store())
    } else {
        Err(Stop::skipped("the store keeps nothing when it ends"))
    }
}

/// A list of cases, each named like the function that has its steps.
macro_rules! list {
    ($($steps:ident),+ $(,)?) => {
        vec![$($crate::testkit::conformance::suite::Case::new(stringify!($steps), |subject| Box::pin($steps(subject)))),+]
    };
}
pub(super) use list;
