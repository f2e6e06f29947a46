//! The conformance suite of the port.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::model::Timestamp;
use netbuild_core::port::{Clock, Queue, SystemClock};
use netbuild_core::testkit::conformance::{self, Subject};
use netbuild_core::testkit::fault_proxy::Direction;
use netbuild_queue::nats::{NatsOptions, NatsQueue, async_nats};
use tokio::sync::Mutex;

use super::support::{Server, open, options, through};

/// A queue in a stream of its own.
struct InStream {
    server: Arc<Mutex<Server>>,
    options: NatsOptions,
    queue: NatsQueue,
}

#[async_trait]
impl Subject<dyn Queue> for InStream {
    fn store(&self) -> Arc<dyn Queue> {
        Arc::new(self.queue.clone())
    }

    fn limit(&self) -> Option<u64> {
        None
    }

    fn now(&self) -> Timestamp {
        SystemClock::new().now()
    }

    fn unit(&self) -> Duration {
        Duration::from_millis(200)
    }

    async fn pass(&mut self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    async fn reopen(&mut self) -> bool {
        let mut server = self.server.lock().await;
        server.server.kill();
        server.server.start_again().unwrap();
        self.queue = open(&through(&server.proxy), self.options.clone()).await;
        true
    }

    async fn cut(&mut self) -> bool {
        self.server.lock().await.proxy.reset();
        true
    }

    async fn cut_after(&mut self, bytes: u64) -> bool {
        self.server.lock().await.proxy.cut_after(bytes, Direction::ToServer);
        true
    }

    async fn inject(&mut self, bytes: &[u8]) -> bool {
        let client = async_nats::connect(self.server.lock().await.server.url()).await.unwrap();
        let context = async_nats::jetstream::new(client);
        context.publish(self.options.stream.clone(), bytes.to_vec().into()).await.unwrap().await.unwrap();
        true
    }
}

#[tokio::test]
async fn the_queue_conforms() {
    let server = Arc::new(Mutex::new(Server::start().await));
    let made = AtomicU64::new(0);
    let fresh = async || {
        let options = options(&format!("case-{}", made.fetch_add(1, Ordering::Relaxed)));
        let queue = open(&through(&server.lock().await.proxy), options.clone()).await;
        InStream { server: server.clone(), options, queue }
    };
    let report = conformance::queue::run(fresh).await;
    report.assert_all_passed();
    // A batch is not atomic: what fits of one is stored. `full` has tests of its own.
    let bounds = ["a_full_queue_stores_nothing_of_a_batch", "an_acked_message_makes_room", "dead_letters_take_no_room"];
    let skipped: Vec<&str> = report.skipped.iter().map(|(name, _)| *name).collect();
    assert_eq!(skipped, bounds, "{report:?}");
}
