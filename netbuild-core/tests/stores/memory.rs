//! The stores in memory as subjects of the suites.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::memory::{MemoryLedger, MemoryLogStore, MemoryOutbox, MemoryQueue};
use netbuild_core::model::Timestamp;
use netbuild_core::port::{Clock, Ledger, LogStore, Outbox, Queue};
use netbuild_core::testkit::conformance::Subject;
use netbuild_core::testkit::{ManualClock, fixtures};

pub(crate) const LIMIT: u64 = 10;

/// A store on a manual clock.
pub(crate) struct Memory<P: ?Sized> {
    store: Arc<P>,
    clock: ManualClock,
}

pub(crate) fn outbox() -> Memory<dyn Outbox> {
    let clock = clock();
    let store = MemoryOutbox::new(fixtures::publisher("api"), 7, LIMIT, Arc::new(clock.clone()));
    Memory { store: Arc::new(store), clock }
}

pub(crate) fn queue() -> Memory<dyn Queue> {
    let clock = clock();
    let store = MemoryQueue::new(LIMIT as usize, Duration::from_secs(30), Arc::new(clock.clone()));
    Memory { store: Arc::new(store), clock }
}

pub(crate) fn ledger() -> Memory<dyn Ledger> {
    let clock = clock();
    Memory { store: Arc::new(MemoryLedger::new(100, Arc::new(clock.clone()))), clock }
}

pub(crate) fn log_store() -> Memory<dyn LogStore> {
    Memory { store: Arc::new(MemoryLogStore::new(1 << 20)), clock: clock() }
}

fn clock() -> ManualClock {
    ManualClock::new(Timestamp::from_millis(1_700_000_000_000))
}

#[async_trait]
impl<P: ?Sized + Send + Sync> Subject<P> for Memory<P> {
    fn store(&self) -> Arc<P> {
        self.store.clone()
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
        false
    }
}
