//! An outbox that hangs in one call or another: publishing goes on as soon as it answers again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use netbuild_core::intake::{PublishError, Publisher};
use netbuild_core::memory::MemoryOutbox;
use netbuild_core::model::PublisherId;
use netbuild_core::port::{Backlog, Event, Message, Outbox, OutboxError, Recorded};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::broker::{DEADLINE, World, config};

const PENDING: u8 = 1;
const PUBLISHED: u8 = 2;
const BACKLOG: u8 = 3;

#[derive(Debug)]
struct Hanging {
    outbox: Arc<MemoryOutbox>,
    call: AtomicU8,
}

impl Hanging {
    async fn unless(&self, call: u8) {
        if self.call.load(Ordering::Relaxed) == call {
            std::future::pending().await
        }
    }
}

#[async_trait]
impl Outbox for Hanging {
    fn publisher(&self) -> (&PublisherId, u64) {
        self.outbox.publisher()
    }

    async fn record(&self, batch: &[Event]) -> Result<Vec<Recorded>, OutboxError> {
        self.outbox.record(batch).await
    }

    async fn pending(&self, after: u64, max: usize) -> Result<Vec<Message>, OutboxError> {
        self.unless(PENDING).await;
        self.outbox.pending(after, max).await
    }

    async fn published(&self, seq: u64) -> Result<(), OutboxError> {
        self.unless(PUBLISHED).await;
        self.outbox.published(seq).await
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        self.unless(BACKLOG).await;
        self.outbox.backlog().await
    }
}

#[tokio::test(start_paused = true)]
async fn each_call_of_the_outbox_has_a_deadline() {
    for call in [PENDING, PUBLISHED, BACKLOG] {
        let world = World::new();
        let outbox = Arc::new(Hanging { outbox: world.outbox.clone(), call: AtomicU8::new(call) });
        let publisher = Arc::new(Publisher::new(outbox.clone(), world.broker.clone(), world.clock.clone(), config()));
        let mut publishing = JoinSet::new();
        let running = publisher.clone();
        publishing.spawn(async move { running.run(CancellationToken::new()).await });
        world.record(1..=3).await;
        sleep(DEADLINE * 3).await;
        if call == BACKLOG {
            let answer = publisher.status().await;
            assert!(matches!(answer, Err(PublishError::Deadline(DEADLINE))), "{answer:?}");
        }
        outbox.call.store(0, Ordering::Relaxed);
        world.record(4..=6).await;
        sleep(DEADLINE * 3).await;
        assert_eq!(world.outbox.backlog().await.unwrap().count, 0, "hung in call {call}");
    }
}
