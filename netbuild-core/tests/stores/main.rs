//! The stores in memory keep the contracts of their ports, and every case of the suites finds a defect.

#![expect(clippy::unwrap_used, reason = "this is a test; a lock is poisoned only by a test that failed")]

mod defects;
mod memory;
mod only_memory;

use memory::Time;
use netbuild_core::testkit::conformance;

#[tokio::test(start_paused = true)]
async fn the_outbox_conforms() {
    for time in [Time::moved, Time::slept] {
        conformance::outbox::run(async || memory::outbox(time())).await.assert_all_passed();
    }
}

#[tokio::test(start_paused = true)]
async fn the_queue_conforms() {
    for time in [Time::moved, Time::slept] {
        conformance::queue::run(async || memory::queue(time())).await.assert_all_passed();
    }
}

#[tokio::test(start_paused = true)]
async fn the_ledger_conforms() {
    for time in [Time::moved, Time::slept] {
        conformance::ledger::run(async || memory::ledger(time())).await.assert_all_passed();
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_store_conforms() {
    for time in [Time::moved, Time::slept] {
        conformance::log_store::run(async || memory::log_store(time())).await.assert_all_passed();
    }
}
