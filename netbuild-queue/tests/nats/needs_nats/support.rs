//! What the tests share.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use netbuild_core::port::{Message, Queue, QueueError, Receipt, SystemClock};
use netbuild_core::testkit::fault_proxy::FaultProxy;
use netbuild_core::testkit::fixtures::{build, message};
use netbuild_queue::nats::{NatsError, NatsOptions, NatsQueue};
use netbuild_servers::NatsServer;
use tempfile::TempDir;

/// A server of its own, the folder that it is in, and a way to it that can break.
pub(crate) struct Server {
    pub(crate) server: NatsServer,
    pub(crate) proxy: FaultProxy,
    _folder: TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = NatsServer::start(folder.path()).unwrap();
        let proxy = FaultProxy::start(server.addr()).await.unwrap();
        Server { server, proxy, _folder: folder }
    }
}

/// The address of a queue's way through a proxy.
pub(crate) fn through(proxy: &FaultProxy) -> String {
    format!("nats://{}", proxy.addr())
}

/// Short times, as a test can await them.
pub(crate) fn options(stream: &str) -> NatsOptions {
    NatsOptions {
        stream: stream.to_owned(),
        redelivery_after: Duration::from_secs(1),
        max_deliveries: Some(3),
        call_deadline: Duration::from_secs(5),
        ..NatsOptions::default()
    }
}

pub(crate) async fn try_open(addresses: &str, options: NatsOptions) -> Result<NatsQueue, NatsError> {
    NatsQueue::open(addresses, options, Arc::new(SystemClock::new())).await
}

pub(crate) async fn open(addresses: &str, options: NatsOptions) -> NatsQueue {
    try_open(addresses, options).await.unwrap()
}

pub(crate) fn messages(publisher: &str, numbers: RangeInclusive<u64>) -> Vec<Message> {
    numbers.map(|number| message(publisher, number, build("acme", "site", number))).collect()
}

/// Repeats a call until it succeeds.
pub(crate) async fn at_last<T>(call: impl AsyncFn() -> Result<T, QueueError>) -> T {
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Receives and acks all that is there, and answers the messages' numbers, in order, each once.
pub(crate) async fn drain(queue: &NatsQueue) -> Vec<u64> {
    let mut all = Vec::new();
    loop {
        let deliveries = at_last(async || queue.receive(100, Duration::from_millis(1_500)).await).await;
        if deliveries.is_empty() {
            return all;
        }
        let receipts: Vec<Receipt> = deliveries.iter().map(|delivery| delivery.receipt.clone()).collect();
        at_last(async || queue.ack(&receipts).await).await;
        for seq in deliveries.into_iter().map(|delivery| delivery.message.place.seq) {
            if !all.contains(&seq) {
                all.push(seq);
            }
        }
    }
}
