//! The conformance suite.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::model::Timestamp;
use netbuild_core::port::{Clock, Queue, SystemClock};
use netbuild_core::testkit::conformance::{self, Subject};
use netbuild_core::testkit::fault_proxy::{Direction, FaultProxy};
use netbuild_queue::amqp::AmqpOptions;
use netbuild_queue::amqp::lapin::BasicProperties;
use netbuild_queue::amqp::lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use netbuild_servers::RabbitmqServer;
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::support::{Broker, client, open};

const ACK_ARRIVES: Duration = Duration::from_millis(500);

/// A queue of its own in a broker that all cases share.
struct InBroker {
    broker: Arc<Mutex<Broker>>,
    options: AmqpOptions,
    proxy: FaultProxy,
    /// None only while the broker is down.
    queue: Option<Arc<dyn Queue>>,
}

#[async_trait]
impl Subject<dyn Queue> for InBroker {
    fn store(&self) -> Arc<dyn Queue> {
        self.queue.clone().unwrap()
    }

    fn limit(&self) -> Option<u64> {
        None
    }

    fn now(&self) -> Timestamp {
        SystemClock::new().now()
    }

    async fn pass(&mut self, time: Duration) {
        sleep(time).await;
    }

    async fn reopen(&mut self) -> bool {
        let mut broker = self.broker.lock().await;
        // AMQP has no answer to an ack: one that is on its way while the broker dies is one that was never called. The suite
        // asks for one that arrived.
        sleep(ACK_ARRIVES).await;
        broker.server.kill();
        // Gone before the broker is back: a consumer that takes messages along as it ends gives them back out of order.
        self.queue = None;
        broker.server.start_again().unwrap();
        self.queue = Some(Arc::new(open(&RabbitmqServer::url_at(self.proxy.addr()), self.options.clone()).await));
        true
    }

    async fn cut(&mut self) -> bool {
        self.proxy.reset();
        true
    }

    async fn cut_after(&mut self, bytes: u64) -> bool {
        self.proxy.cut_after(bytes, Direction::ToServer);
        true
    }

    async fn inject(&mut self, bytes: &[u8]) -> bool {
        let (_connection, channel) = client(&self.broker.lock().await.server.url()).await;
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let (queue, options) = (self.options.queue.as_str().into(), BasicPublishOptions::default());
        let sent = channel.basic_publish("".into(), queue, options, bytes, BasicProperties::default()).await.unwrap();
        sent.await.unwrap().is_ack()
    }

    fn unit(&self) -> Duration {
        Duration::from_millis(300)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_conforms() {
    let broker = Arc::new(Mutex::new(Broker::start()));
    let made = AtomicU64::new(0);
    let report = conformance::queue::run(async || {
        let proxy = FaultProxy::start(broker.lock().await.server.addr()).await.unwrap();
        let options = AmqpOptions {
            queue: format!("case-{}", made.fetch_add(1, Ordering::Relaxed)),
            redelivery_after: Duration::from_secs(3),
            max_deliveries: Some(3),
            ..AmqpOptions::default()
        };
        let queue = open(&RabbitmqServer::url_at(proxy.addr()), options.clone()).await;
        InBroker { broker: broker.clone(), options, proxy, queue: Some(Arc::new(queue)) }
    })
    .await;
    report.assert_all_passed();
    let skipped: Vec<&str> = report.skipped.iter().map(|(case, _)| case.as_ref()).collect();
    let no_bound =
        ["a_full_queue_stores_nothing_of_a_batch", "an_acked_message_makes_room", "dead_letters_take_no_room"];
    let no_dates = "depth_dates_the_oldest";
    let no_dedupe = "a_repeated_publish_is_stored_once_within_the_window";
    assert_eq!(skipped, [no_dates, no_bound[0], no_bound[1], no_dedupe, no_bound[2]]);
}
