//! Every store keeps definitions and their history in the same way.

#![expect(clippy::unwrap_used, reason = "this is a test")]

mod conformance;
mod needs_postgres;
mod sqlite;

use std::sync::Arc;

use netbuild_core::model::Timestamp;
use netbuild_core::testkit::ManualClock;
use netbuild_flags::store::MemoryStore;

#[tokio::test]
async fn the_store_in_memory_conforms() {
    conformance::run(Arc::new(MemoryStore::new(Arc::new(ManualClock::new(Timestamp::from_millis(5)))))).await;
}
