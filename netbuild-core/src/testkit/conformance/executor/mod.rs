//! The contract of [`Executor`](crate::port::Executor).
//!
//! The subject's store is an [`ExecutorUnderTest`]: the executor, and how requests for it are made. It must be one in
//! which nobody else runs attempts, and begin empty; whatever a case leaves is cancelled and removed. The suite's measure
//! of time ([`Subject::unit`]) is the grace that is meant to pass: 100 ms to 2 s.

mod begin;
mod end;
mod under_test;
mod view;

pub use under_test::{Destroy, ExecutorUnderTest, MakeRequest, READY, TestCommand, request};

use super::report::Report;
use super::suite::{Case, Stop, Subject, check, equal, list};

/// Runs all cases, each against a fresh executor.
pub async fn run<S: Subject<ExecutorUnderTest>>(fresh: impl AsyncFn() -> S) -> Report {
    let mut report = Report::default();
    for case in cases() {
        let mut subject = fresh().await;
        report.add(case.name(), case.run(&mut subject).await);
        under_test::tidy(&mut subject).await;
    }
    report
}

/// The cases.
pub fn cases() -> Vec<Case<ExecutorUnderTest>> {
    [begin::cases(), end::cases(), view::cases()].into_iter().flatten().collect()
}

type Executors<'a> = &'a mut dyn Subject<ExecutorUnderTest>;
