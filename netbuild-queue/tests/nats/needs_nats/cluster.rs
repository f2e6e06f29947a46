//! Three servers that keep every message three times: one is lost, one is cut off from the others.

use std::collections::BTreeSet;
use std::time::Duration;

use netbuild_core::port::{Queue, Receipt};
use netbuild_core::testkit::fault_proxy::{Direction, FaultProxy};
use netbuild_queue::nats::{NatsOptions, NatsQueue, async_nats};
use netbuild_servers::{NatsCluster, NatsServer};
use tempfile::TempDir;
use tokio::sync::watch;

use super::support::{messages, open, options, try_open};

/// A cluster, and a way between each two of its nodes, by who connects.
pub(super) struct Cluster {
    cluster: NatsCluster,
    ways: Vec<(usize, usize, FaultProxy)>,
    _folder: TempDir,
}

impl Cluster {
    pub(super) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut ways = Vec::new();
        for (from, to) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
            // The node's address is known later.
            ways.push((from, to, FaultProxy::start(([127, 0, 0, 1], 1).into()).await.unwrap()));
        }
        let way = |from, to, addr| {
            let (_, _, proxy) = ways.iter().find(|(a, b, _)| (*a, *b) == (from, to)).unwrap();
            proxy.set_upstream(addr);
            proxy.addr()
        };
        let cluster = NatsCluster::start(folder.path(), way).unwrap();
        Cluster { cluster, ways, _folder: folder }
    }

    /// The ways of a node to and from the others.
    fn ways_of(&self, node: usize) -> impl Iterator<Item = &FaultProxy> {
        self.ways.iter().filter(move |(from, to, _)| node == *from || node == *to).map(|(_, _, proxy)| proxy)
    }

    /// The addresses of all nodes, beginning with one.
    pub(super) fn addresses(&self, first: usize) -> String {
        let urls: Vec<String> = (0..3).map(|step| self.cluster.nodes[(first + step) % 3].url()).collect();
        urls.join(",")
    }

    async fn queue(&self, first: usize, stream: &str) -> NatsQueue {
        open(&self.addresses(first), replicated(stream)).await
    }

    /// The node that leads a stream.
    async fn leader(&self, stream: &str) -> usize {
        let client = async_nats::connect(self.cluster.nodes[0].url()).await.unwrap();
        let stream = async_nats::jetstream::new(client).get_stream(stream).await.unwrap();
        let leader = stream.cached_info().cluster.as_ref().and_then(|cluster| cluster.leader.clone()).unwrap();
        leader.strip_prefix("node-").unwrap().parse().unwrap()
    }
}

/// A stream on all three.
pub(super) fn replicated(stream: &str) -> NatsOptions {
    NatsOptions {
        replicas: 3,
        call_deadline: Duration::from_secs(2),
        max_deliveries: None,
        // The nodes have to find each other first.
        open_wait: Duration::from_secs(60),
        ..options(stream)
    }
}

const BATCH: u64 = 10;

/// Publishes batches of a publisher, one after the other, each until it is confirmed, until it is told to end; answers how
/// many messages were confirmed, and in how many tries.
async fn publish(
    queue: &NatsQueue,
    publisher: u64,
    confirmed: &watch::Sender<u64>,
    mut end: watch::Receiver<bool>,
) -> u64 {
    let mut tries = 0;
    let from = |batch: u64| publisher * 1_000_000 + batch * BATCH + 1;
    for batch in 0.. {
        let batch = messages("api", from(batch)..=from(batch) + BATCH - 1);
        while queue.publish(&batch).await.is_err() {
            tries += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tries += 1;
        confirmed.send_modify(|confirmed| *confirmed += BATCH);
        if *end.borrow_and_update() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tries
}

/// Receives and acks until it is told that so many messages came from each publisher; answers what came, in order.
async fn receive(queue: &NatsQueue, mut total: watch::Receiver<Option<u64>>) -> Vec<u64> {
    let (mut known, mut all) = (BTreeSet::new(), Vec::new());
    while total.borrow_and_update().is_none_or(|total| (known.len() as u64) < total) {
        let Ok(deliveries) = queue.receive(100, Duration::from_millis(500)).await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let receipts: Vec<Receipt> = deliveries.iter().map(|delivery| delivery.receipt.clone()).collect();
        // An ack that fails costs a duplicate.
        let _ = queue.ack(&receipts).await;
        for delivery in deliveries {
            let number = delivery.message.place.seq;
            if known.insert(number) {
                all.push(number);
            }
        }
    }
    all
}

/// Two publishers and a receiver work while something happens to the cluster, and once it is over until each publisher was
/// confirmed some more; then all that was confirmed has to come.
async fn survive(
    name: &str,
    queues: [NatsQueue; 3],
    fault: impl AsyncFnOnce(&watch::Sender<u64>, &watch::Sender<u64>),
) {
    let (first, second) = (watch::Sender::new(0), watch::Sender::new(0));
    let (end, total) = (watch::Sender::new(false), watch::Sender::new(None));
    let script = async {
        let fault = async {
            wait_for_more(&first).await;
            wait_for_more(&second).await;
            fault(&first, &second).await;
            wait_for_more(&first).await;
            wait_for_more(&second).await;
            end.send_replace(true);
        };
        let publishers = async {
            tokio::join!(
                publish(&queues[0], 1, &first, end.subscribe()),
                publish(&queues[1], 2, &second, end.subscribe())
            )
        };
        let (tries, ()) = tokio::join!(publishers, fault);
        let sum = *first.borrow() + *second.borrow();
        total.send_replace(Some(sum));
        (tries, sum)
    };
    let work = async { tokio::join!(script, receive(&queues[2], total.subscribe())) };
    let ((tries, sum), all) =
        tokio::time::timeout(Duration::from_secs(180), work).await.expect("nothing confirmed is lost");
    let late = |publisher: u64| {
        let own: Vec<u64> = all.iter().copied().filter(|number| number / 1_000_000 == publisher).collect();
        own.windows(2).filter(|pair| pair[0] > pair[1]).count()
    };
    println!(
        "{name}: {sum} confirmed in {tries:?} batches, all received; {} came after a later one",
        late(1) + late(2)
    );
    assert_eq!(all.len() as u64, sum);
}

/// Waits until a publisher is confirmed more than now.
async fn wait_for_more(confirmed: &watch::Sender<u64>) {
    let mut confirmed = confirmed.subscribe();
    let now = *confirmed.borrow_and_update();
    confirmed.wait_for(|confirmed| *confirmed >= now + 5 * BATCH).await.unwrap();
}

#[tokio::test]
async fn the_loss_of_the_leader_loses_nothing() {
    let mut cluster = Cluster::start().await;
    let queues = [cluster.queue(0, "led").await, cluster.queue(1, "led").await, cluster.queue(2, "led").await];
    let leader = cluster.leader("led").await;
    let fault = async |first: &watch::Sender<u64>, second: &watch::Sender<u64>| {
        let node = &mut cluster.cluster.nodes[leader];
        node.kill();
        // The others go on without it, also those who were connected to it.
        wait_for_more(first).await;
        wait_for_more(second).await;
        node.start_again().unwrap();
    };
    survive("leader killed", queues, fault).await;
}

#[tokio::test]
async fn a_split_loses_nothing_and_stops_nobody() {
    let cluster = Cluster::start().await;
    cluster.queue(0, "split").await;
    let leader = cluster.leader("split").await;
    let (one, other) = ((leader + 1) % 3, (leader + 2) % 3);
    // One publisher is on the side that is cut off, with the leader that it had.
    let queues =
        [cluster.queue(leader, "split").await, cluster.queue(one, "split").await, cluster.queue(other, "split").await];
    let fault = async |first: &watch::Sender<u64>, second: &watch::Sender<u64>| {
        cluster.ways_of(leader).for_each(|way| way.black_hole(&[Direction::ToServer, Direction::ToClient]));
        // The majority goes on, and who was on the other side comes over.
        wait_for_more(second).await;
        wait_for_more(first).await;
        cluster.ways_of(leader).for_each(FaultProxy::heal);
    };
    survive("split", queues, fault).await;
}

#[tokio::test]
async fn too_few_replicas_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = NatsServer::start(folder.path()).unwrap();
    open(&server.url(), options("one")).await;
    let three = NatsOptions { replicas: 3, ..options("one") };
    let error = try_open(&server.url(), three).await.unwrap_err();
    assert!(error.to_string().contains("num_replicas 1"), "{error}");
}
