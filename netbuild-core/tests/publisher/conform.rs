//! The queue behind a breaker is a queue.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::breaker::{Breaker, BreakerConfig};
use netbuild_core::intake::BreakerQueue;
use netbuild_core::memory::MemoryQueue;
use netbuild_core::model::Timestamp;
use netbuild_core::port::{Clock, Queue};
use netbuild_core::testkit::ManualClock;
use netbuild_core::testkit::conformance::{self, Subject};

const LIMIT: u64 = 10;

struct Behind {
    queue: Arc<BreakerQueue>,
    clock: ManualClock,
}

fn behind() -> Behind {
    let clock = ManualClock::new(Timestamp::from_millis(1_700_000_000_000));
    let inner = MemoryQueue::new(LIMIT as usize, Duration::from_secs(30), Arc::new(clock.clone()));
    let inner = Arc::new(inner.with_max_deliveries(3));
    let breaker = Arc::new(Breaker::new(BreakerConfig::default()));
    let queue = BreakerQueue::new(inner, breaker, Arc::new(clock.clone()), Duration::from_secs(5));
    Behind { queue: Arc::new(queue), clock }
}

#[async_trait]
impl Subject<dyn Queue> for Behind {
    fn store(&self) -> Arc<dyn Queue> {
        self.queue.clone()
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

#[tokio::test(start_paused = true)]
async fn a_queue_behind_a_breaker_conforms() {
    conformance::queue::run(async || behind()).await.assert_all_passed();
}
