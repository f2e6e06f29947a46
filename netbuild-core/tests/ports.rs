//! The ports as users hold and mock them.

use std::sync::Arc;

use netbuild_core::model::PublisherId;
use netbuild_core::port::{
    AttemptControl, Clock, Executor, FixedRouter, History, LeaderLease, Ledger, LogStore, NoObserver, NoSecrets,
    Observer, Outbox, Queue, Router, Secrets, SystemClock,
};
use netbuild_core::testkit::fixtures;
use netbuild_core::testkit::mocks::{
    MockAttemptControl, MockExecutor, MockLedger, MockLogStore, MockObserver, MockOutbox, MockQueue, MockRouter,
    MockSecrets,
};

/// Compiles only while every port can be held as `Arc<dyn …>` and every mock is its port.
#[expect(dead_code, reason = "it is compiled, and that is the test")]
fn ports_are_dyn_compatible() {
    let _: Arc<dyn AttemptControl> = Arc::new(MockAttemptControl::new());
    let _: [Arc<dyn Clock>; 1] = [Arc::new(SystemClock::new())];
    let _: Arc<dyn Executor> = Arc::new(MockExecutor::new());
    let ledger: Arc<dyn Ledger> = Arc::new(MockLedger::new());
    let _: Arc<dyn LeaderLease> = ledger.clone();
    let _: Arc<dyn History> = ledger;
    let _: Arc<dyn LogStore> = Arc::new(MockLogStore::new());
    let _: [Arc<dyn Observer>; 2] = [Arc::new(MockObserver::new()), Arc::new(NoObserver)];
    let _: Arc<dyn Outbox> = Arc::new(MockOutbox::new());
    let _: Arc<dyn Queue> = Arc::new(MockQueue::new());
    let router = FixedRouter::new(fixtures::route("process").executor);
    let _: [Arc<dyn Router>; 2] = [Arc::new(MockRouter::new()), Arc::new(router)];
    let _: [Arc<dyn Secrets>; 2] = [Arc::new(MockSecrets::new()), Arc::new(NoSecrets)];
}

#[test]
fn a_mocked_outbox_answers_with_a_publisher_that_outlives_it() {
    let publisher: &'static PublisherId = Box::leak(Box::new(fixtures::publisher("api")));
    let mut outbox = MockOutbox::new();
    outbox.expect_publisher().returning(move || (publisher, 1));
    assert_eq!(outbox.publisher(), (publisher, 1));
}

#[tokio::test]
async fn a_mocked_ledger_answers_for_its_parts() {
    let mut ledger = MockLedger::new();
    ledger.expect_resign().times(1).returning(|_| Ok(()));
    ledger.expect_cursors().times(1).returning(|| Ok(Vec::new()));
    let ledger: Arc<dyn Ledger> = Arc::new(ledger);
    ledger.resign(Default::default()).await.unwrap();
    assert_eq!(ledger.cursors().await.unwrap(), vec![]);
}
