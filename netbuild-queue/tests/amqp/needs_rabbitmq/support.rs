//! What the tests share.

use std::sync::Arc;
use std::time::Duration;

use netbuild_core::port::{Delivery, Message, Queue, QueueError, Receipt, SystemClock};
use netbuild_core::testkit::fixtures::{build, message};
use netbuild_queue::amqp::lapin::{Channel, Connection, ConnectionProperties};
use netbuild_queue::amqp::{AmqpError, AmqpOptions, AmqpQueue};
use netbuild_servers::RabbitmqServer;
use tempfile::TempDir;

/// A broker of its own, and the folder that it is in.
pub(crate) struct Broker {
    pub(crate) server: RabbitmqServer,
    _folder: TempDir,
}

impl Broker {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = RabbitmqServer::start_with(folder.path(), settings).unwrap();
        Broker { server, _folder: folder }
    }
}

pub(crate) async fn try_open(address: &str, options: AmqpOptions) -> Result<AmqpQueue, AmqpError> {
    AmqpQueue::open(address, options, Arc::new(SystemClock::new())).await
}

pub(crate) async fn open(address: &str, options: AmqpOptions) -> AmqpQueue {
    try_open(address, options).await.unwrap()
}

/// A client past the adapter.
pub(crate) async fn client(address: &str) -> (Connection, Channel) {
    let connection = Connection::connect(address, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

pub(crate) fn messages(numbers: std::ops::RangeInclusive<u64>) -> Vec<Message> {
    numbers.map(|n| message("api", n, build("acme", "site", n))).collect()
}

pub(crate) fn receipts(deliveries: &[Delivery]) -> Vec<Receipt> {
    deliveries.iter().map(|delivery| delivery.receipt.clone()).collect()
}

pub(crate) fn seqs(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(|delivery| delivery.message.place.seq).collect()
}

/// Receives until so many messages came, through whatever breaks meanwhile.
pub(crate) async fn receive(queue: &AmqpQueue, count: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    while all.len() < count {
        match queue.receive(count - all.len(), Duration::from_secs(10)).await {
            Ok(some) => all.extend(some),
            Err(QueueError::Unavailable(_) | QueueError::Unknown(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    all
}

/// Publishes, again and again: the broker may be away at this moment.
pub(crate) async fn publish_at_last(queue: &AmqpQueue, batch: &[Message]) {
    while queue.publish(batch).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
