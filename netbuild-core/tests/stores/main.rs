//! The stores in memory keep the contracts of their ports, and every case of the suites finds a defect.

mod defects;
mod memory;

use netbuild_core::testkit::conformance;

#[tokio::test(start_paused = true)]
async fn the_outbox_conforms() {
    conformance::outbox::run(async || memory::outbox()).await.assert_all_passed();
}

#[tokio::test(start_paused = true)]
async fn the_queue_conforms() {
    conformance::queue::run(async || memory::queue()).await.assert_all_passed();
}

#[tokio::test(start_paused = true)]
async fn the_ledger_conforms() {
    conformance::ledger::run(async || memory::ledger()).await.assert_all_passed();
}

#[tokio::test(start_paused = true)]
async fn the_log_store_conforms() {
    conformance::log_store::run(async || memory::log_store()).await.assert_all_passed();
}
