//! The contract of [`Queue`], with [`DeadLetters`](crate::port::DeadLetters).

mod connection;
mod dead_letters;
mod hand_out;

use std::sync::Arc;
use std::time::Duration;

use super::report::Report;
use super::suite::{self, Case, Stop, Subject, check, equal, list, reopen};
use crate::model::BuildId;
use crate::port::{Delivery, Message, Queue, QueueError, Receipt};
use crate::testkit::fixtures::{build, build_id, message};

/// Runs all cases, each against a fresh queue.
///
/// The cases wait in tokio's time for messages, up to 50 ms where none should come, and let time pass through the
/// subject for redelivery: its queue should redeliver after one second or more, and bury after ten deliveries or fewer.
pub async fn run<S: Subject<dyn Queue>>(fresh: impl AsyncFn() -> S) -> Report {
    suite::run(cases(), fresh).await
}

/// The cases.
pub fn cases() -> Vec<Case<dyn Queue>> {
    [hand_out::cases(), dead_letters::cases(), connection::cases()].into_iter().flatten().collect()
}

type Queues<'a> = &'a mut dyn Subject<dyn Queue>;

/// A wait that a queue which has something does not need.
const PATIENT: Duration = Duration::from_secs(10);
/// A wait after which a queue has nothing.
const SHORT: Duration = Duration::from_millis(50);

fn messages(numbers: std::ops::RangeInclusive<u64>) -> Vec<Message> {
    numbers.map(|n| message("api", n, build("acme", "site", n))).collect()
}

fn ids(numbers: &[u64]) -> Vec<BuildId> {
    numbers.iter().map(|n| build_id(*n)).collect()
}

/// Receives until `count` messages came, or a receive came back empty.
async fn receive(queue: &Arc<dyn Queue>, count: usize) -> Result<Vec<Delivery>, QueueError> {
    let mut all = Vec::new();
    while all.len() < count {
        let some = queue.receive(count - all.len(), PATIENT).await?;
        if some.is_empty() {
            break;
        }
        all.extend(some);
    }
    Ok(all)
}

/// What the queue has now.
async fn receive_now(queue: &Arc<dyn Queue>) -> Result<Vec<Delivery>, QueueError> {
    queue.receive(100, SHORT).await
}

fn builds(deliveries: &[Delivery]) -> Vec<BuildId> {
    deliveries.iter().map(|delivery| delivery.message.build.id).collect()
}

fn receipts(deliveries: &[Delivery]) -> Vec<Receipt> {
    deliveries.iter().map(|delivery| delivery.receipt.clone()).collect()
}

/// Lets so much time pass that every unacked message is due again.
async fn pass_redelivery(subject: Queues<'_>) {
    let after = subject.store().capabilities().redelivery_after;
    subject.pass(after + after / 10 + Duration::from_millis(1)).await;
}

async fn reopened(subject: Queues<'_>) -> Result<Arc<dyn Queue>, Stop> {
    let durable = subject.store().capabilities().durable;
    let reopened = reopen(subject).await;
    if durable && reopened.is_err() {
        return Err(Stop::failed("a durable queue can be opened again"));
    }
    reopened
}
