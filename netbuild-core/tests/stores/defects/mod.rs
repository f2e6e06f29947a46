//! Planted defects: for each case of each suite at least one store that is wrong in just the way which the case looks
//! for. A case that finds none of its defects proves nothing.
//!
//! Each store here is one in memory behind a wrapper with a [`Faulty::fault`]; without one it is sound, and it claims to
//! outlive its process, so that no case is skipped.

mod ledger;
mod ledger_faults;
mod log_store;
mod outbox;
mod queue;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::model::Timestamp;
use netbuild_core::port::Clock;
use netbuild_core::testkit::ManualClock;
use netbuild_core::testkit::conformance::{Case, Subject, Verdict};

use crate::memory::LIMIT;

/// A store with a defect, or none.
pub(crate) trait Faulty: Sized + Send + Sync {
    type Port: ?Sized + Send + Sync;
    type Fault: Copy + Debug;

    fn new(fault: Option<Self::Fault>, clock: ManualClock) -> Self;

    fn port(self: Arc<Self>) -> Arc<Self::Port>;

    /// The process ended and the store was opened again.
    fn reopened(&self);

    /// Breaks the connection: at once, or in the middle of the next batch.
    fn cut(&self, _when: Cut) -> bool {
        false
    }

    /// Foreign bytes were put into it.
    fn inject(&self, _bytes: &[u8]) -> bool {
        false
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cut {
    Now,
    InTheNextBatch,
}

struct Planted<F> {
    store: Arc<F>,
    clock: ManualClock,
}

impl<F: Faulty> Planted<F> {
    fn new(fault: Option<F::Fault>) -> Self {
        let clock = ManualClock::new(Timestamp::from_millis(1_700_000_000_000));
        Planted { store: Arc::new(F::new(fault, clock.clone())), clock }
    }
}

#[async_trait]
impl<F: Faulty> Subject<F::Port> for Planted<F> {
    fn store(&self) -> Arc<F::Port> {
        self.store.clone().port()
    }

    fn limit(&self) -> Option<u64> {
        Some(LIMIT)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn pass(&mut self, time: Duration) {
        self.clock.advance(time);
    }

    async fn reopen(&mut self) -> bool {
        self.store.reopened();
        true
    }

    async fn cut(&mut self) -> bool {
        self.store.cut(Cut::Now)
    }

    async fn cut_after(&mut self, _bytes: u64) -> bool {
        self.store.cut(Cut::InTheNextBatch)
    }

    async fn inject(&mut self, bytes: &[u8]) -> bool {
        self.store.inject(bytes)
    }
}

/// Every case passes without a defect, and fails with each of its own.
async fn every_case_finds_its_defects<F: Faulty>(cases: Vec<Case<F::Port>>, defects: &[(&str, &[F::Fault])]) {
    for (name, _) in defects {
        assert!(cases.iter().any(|case| case.name() == *name), "there is no case {name}");
    }
    for case in cases {
        let sound = case.run(&mut Planted::<F>::new(None)).await;
        assert_eq!(sound, Verdict::Passed, "{} without a defect", case.name());
        let own = defects.iter().find(|(name, _)| *name == case.name());
        let (_, faults) = own.unwrap_or_else(|| panic!("{} has no planted defect", case.name()));
        assert!(!faults.is_empty(), "{} has no planted defect", case.name());
        for fault in *faults {
            let verdict = case.run(&mut Planted::<F>::new(Some(*fault))).await;
            assert!(matches!(verdict, Verdict::Failed(_)), "{} does not find {fault:?}: {verdict:?}", case.name());
        }
    }
}
