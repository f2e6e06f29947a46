//! The stores in memory as subjects of the suites.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::memory::{MemoryLedger, MemoryLogStore, MemoryOutbox, MemoryQueue};
use netbuild_core::model::Timestamp;
use netbuild_core::port::{Clock, Ledger, LogStore, Outbox, Queue};
use netbuild_core::testkit::conformance::Subject;
use netbuild_core::testkit::{ManualClock, TokioClock, fixtures};

pub(crate) const LIMIT: u64 = 10;

/// A store with its time.
pub(crate) struct Memory<P: ?Sized> {
    store: Arc<P>,
    time: Time,
}

/// The two ways in which a subject lets time pass.
#[derive(Clone)]
pub(crate) enum Time {
    /// A clock is moved.
    Moved(ManualClock),
    /// It sleeps.
    Slept(TokioClock),
}

impl Time {
    pub(crate) fn moved() -> Self {
        Time::Moved(ManualClock::new(START))
    }

    pub(crate) fn slept() -> Self {
        Time::Slept(TokioClock::new(START))
    }

    fn clock(&self) -> Arc<dyn Clock> {
        match self {
            Time::Moved(clock) => Arc::new(clock.clone()),
            Time::Slept(clock) => Arc::new(*clock),
        }
    }
}

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub(crate) fn outbox(time: Time) -> Memory<dyn Outbox> {
    Memory { store: Arc::new(MemoryOutbox::new(fixtures::publisher("api"), 7, LIMIT, time.clock())), time }
}

pub(crate) fn queue(time: Time) -> Memory<dyn Queue> {
    let queue = MemoryQueue::new(LIMIT as usize, Duration::from_secs(30), time.clock());
    Memory { store: Arc::new(queue.with_max_deliveries(3)), time }
}

pub(crate) fn ledger(time: Time) -> Memory<dyn Ledger> {
    Memory { store: Arc::new(MemoryLedger::new(100, time.clock())), time }
}

pub(crate) fn log_store(time: Time) -> Memory<dyn LogStore> {
    Memory { store: Arc::new(MemoryLogStore::new(1 << 20)), time }
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
        self.time.clock().now()
    }

    async fn pass(&mut self, time: Duration) {
        match &self.time {
            Time::Moved(clock) => clock.advance(time),
            Time::Slept(_) => tokio::time::sleep(time).await,
        }
    }

    async fn reopen(&mut self) -> bool {
        false
    }

    fn unit(&self) -> Duration {
        match self.time {
            Time::Moved(_) => Duration::from_secs(60),
            Time::Slept(_) => Duration::from_secs(1),
        }
    }
}
