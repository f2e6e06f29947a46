//! Logs that cannot be kept: they hold up removals, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use netbuild_core::model::AttemptId;
use netbuild_core::port::{
    Executor, ExecutorCapabilities, ExecutorError, ExecutorEvent, Listing, LogChunk, LogStore, StartError,
    StartRequest, Started,
};
use netbuild_core::testkit::{FakeExecutor, LogStoreMood};
use tokio::time::Instant;

use crate::world::{RUN, World, all_deployed, deploys, first};

const BUILDS: u32 = 300;

/// With two slots, how long the builds take when nothing holds them up.
const UNHINDERED: Duration = Duration::from_secs(RUN.as_secs() * BUILDS as u64 / 2);

async fn builds_go_on_with_a_log_store_that(mood: LogStoreMood) {
    let world = World::new(deploys);
    world.logs.set(mood);
    let (handle, scheduler) = world.scheduler("one");
    let keys = world.submit(1..u64::from(BUILDS) + 1).await;
    let begun = Instant::now();
    assert!(all_deployed(&world.ended(&keys).await));
    // An executor with ended attempts is asked again after a while: some of the time is that.
    let limit = UNHINDERED * 3 / 2;
    assert!(begun.elapsed() < limit, "the builds took {:?}, {UNHINDERED:?} without hindrance", begun.elapsed());
    assert!(world.logs.most_calls() <= 16, "{} removals at once", world.logs.most_calls());
    let calls = handle.status().await.unwrap().calls;
    assert!(calls <= BUILDS as usize + 10, "each attempt waits once: {calls} calls for {BUILDS} builds");
    assert_eq!(world.executor.list().await.unwrap().attempts.len(), BUILDS as usize, "no attempt is removed unkept");

    world.logs.set(LogStoreMood::Works);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.executor.list().await.unwrap().attempts, [], "all are removed once their logs are kept");
    scheduler.stop().await;
}

#[tokio::test(start_paused = true)]
async fn builds_go_on_when_the_log_store_hangs() {
    builds_go_on_with_a_log_store_that(LogStoreMood::Hangs).await;
}

#[tokio::test(start_paused = true)]
async fn builds_go_on_when_the_log_store_refuses() {
    builds_go_on_with_a_log_store_that(LogStoreMood::Refuses).await;
}

/// Its attempts' logs never end, and every piece of them is there at once.
#[derive(Debug)]
struct Flood(Arc<FakeExecutor>);

#[async_trait]
impl Executor for Flood {
    fn capabilities(&self) -> ExecutorCapabilities {
        self.0.capabilities()
    }

    async fn start(&self, request: &StartRequest) -> Result<Started, StartError> {
        self.0.start(request).await
    }

    async fn cancel(&self, attempt: &AttemptId, grace: Duration) -> Result<(), ExecutorError> {
        self.0.cancel(attempt, grace).await
    }

    async fn list(&self) -> Result<Listing, ExecutorError> {
        self.0.list().await
    }

    async fn events(&self) -> Result<BoxStream<'static, ExecutorEvent>, ExecutorError> {
        self.0.events().await
    }

    async fn logs(&self, _attempt: &AttemptId, from: u64, max: usize) -> Result<LogChunk, ExecutorError> {
        Ok(LogChunk { offset: from, bytes: Bytes::from(vec![b'x'; max]), end: false })
    }

    async fn remove(&self, attempt: &AttemptId) -> Result<(), ExecutorError> {
        self.0.remove(attempt).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_never_ends_is_kept_up_to_its_bound() {
    let world = World::new(deploys);
    let flood = Arc::new(Flood(world.executor.clone()));
    let (_, scheduler) = world.scheduler_with("one", flood, |config| config.rules.log_bytes = 1 << 20);
    let keys = world.submit(1..5).await;
    assert!(all_deployed(&world.ended(&keys).await));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.executor.list().await.unwrap().attempts, [], "the attempts are removed");
    for key in &keys {
        let kept = world.logs.next_offset(&first(key)).await.unwrap();
        assert!((1 << 20..2 << 20).contains(&kept), "{kept} bytes are kept");
    }
    scheduler.stop().await;
}
