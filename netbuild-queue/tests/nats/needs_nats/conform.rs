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

use super::cluster::{Cluster, replicated};
use super::support::{Server, open, options, through};

/// A queue in a stream of its own, on a server behind a proxy or on a cluster.
struct InStream {
    servers: Servers,
    options: NatsOptions,
    queue: NatsQueue,
}

#[derive(Clone)]
enum Servers {
    One(Arc<Mutex<Server>>),
    Three(Arc<Cluster>),
}

impl Servers {
    /// What the queue connects to.
    async fn addresses(&self) -> String {
        match self {
            Servers::One(server) => through(&server.lock().await.proxy),
            Servers::Three(cluster) => cluster.addresses(0),
        }
    }
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
        if let Servers::One(server) = &self.servers {
            let server = &mut server.lock().await.server;
            server.kill();
            server.start_again().unwrap();
        }
        self.queue = open(&self.servers.addresses().await, self.options.clone()).await;
        true
    }

    async fn cut(&mut self) -> bool {
        let Servers::One(server) = &self.servers else { return false };
        server.lock().await.proxy.reset();
        true
    }

    async fn cut_after(&mut self, bytes: u64) -> bool {
        let Servers::One(server) = &self.servers else { return false };
        server.lock().await.proxy.cut_after(bytes, Direction::ToServer);
        true
    }

    async fn inject(&mut self, bytes: &[u8]) -> bool {
        let addresses = self.servers.addresses().await;
        let addresses: Vec<&str> = addresses.split(',').collect();
        let client = async_nats::connect(addresses).await.unwrap();
        let context = async_nats::jetstream::new(client);
        context.publish(self.options.stream.clone(), bytes.to_vec().into()).await.unwrap().await.unwrap();
        true
    }
}

/// Runs the suite with streams of these options, and answers which cases were skipped.
async fn skipped(servers: Servers, options: impl Fn(&str) -> NatsOptions) -> Vec<&'static str> {
    let made = AtomicU64::new(0);
    let fresh = async || {
        let options = options(&format!("case-{}", made.fetch_add(1, Ordering::Relaxed)));
        let queue = open(&servers.addresses().await, options.clone()).await;
        InStream { servers: servers.clone(), options, queue }
    };
    let report = conformance::queue::run(fresh).await;
    report.assert_all_passed();
    report.skipped.into_iter().map(|(name, _)| name).collect()
}

/// A batch is not atomic: what fits of one is stored. `broken` has a test of the bound.
const OF_BOUNDS: [&str; 3] =
    ["a_full_queue_stores_nothing_of_a_batch", "an_acked_message_makes_room", "dead_letters_take_no_room"];

#[tokio::test]
async fn the_queue_conforms() {
    let server = Server::start().await;
    assert_eq!(skipped(Servers::One(Arc::new(Mutex::new(server))), options).await, OF_BOUNDS);
}

#[tokio::test]
async fn the_queue_conforms_on_a_cluster() {
    let cluster = Cluster::start().await;
    let three = |stream: &str| NatsOptions { max_deliveries: Some(3), ..replicated(stream) };
    let skipped = skipped(Servers::Three(Arc::new(cluster)), three).await;
    // Its connections are broken in `cluster`, with whole servers.
    let of_connections = [
        "a_lost_connection_is_made_again",
        "what_a_lost_connection_had_comes_again",
        "a_batch_that_broke_off_can_be_repeated",
    ];
    assert_eq!(skipped, [OF_BOUNDS, of_connections].concat());
}
