//! What a lost connection must not cost.

use std::collections::BTreeSet;

use futures_util::future::BoxFuture;

use super::*;
use crate::port::Effect;

pub(super) fn cases() -> Vec<Case<dyn Queue>> {
    list![
        a_lost_connection_is_made_again,
        what_a_lost_connection_had_comes_again,
        a_batch_that_broke_off_can_be_repeated,
    ]
}

/// How long a queue may take to find its way back, by tokio's time.
const RECONNECTED: Duration = Duration::from_secs(30);

async fn cut(subject: Queues<'_>) -> Result<(), Stop> {
    if subject.cut().await { Ok(()) } else { Err(Stop::skipped("there is no connection to break")) }
}

/// Repeats a call that the broken connection may fail.
async fn at_last<'a, T>(call: impl Fn() -> BoxFuture<'a, Result<T, QueueError>>) -> Result<T, Stop> {
    let start = tokio::time::Instant::now();
    loop {
        match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) if start.elapsed() > RECONNECTED => return Err(error.into()),
            Err(_) => tokio::time::sleep(SHORT).await,
        }
    }
}

async fn a_lost_connection_is_made_again(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    queue.publish(&messages(1..=1)).await?;
    cut(subject).await?;
    let second = messages(2..=2);
    at_last(|| queue.publish(&second)).await?;
    let mut known = BTreeSet::new();
    while known.len() < 2 {
        let deliveries = at_last(|| queue.receive(10, PATIENT)).await?;
        check(!deliveries.is_empty(), "what was published before and after is handed out")?;
        known.extend(builds(&deliveries));
        let receipts = receipts(&deliveries);
        at_last(|| queue.ack(&receipts)).await?;
    }
    pass_redelivery(subject).await;
    equal(receive_now(&queue).await?.len(), 0, "and acked")
}

async fn what_a_lost_connection_had_comes_again(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    queue.publish(&messages(1..=2)).await?;
    let before = receive(&queue, 2).await?;
    cut(subject).await?;
    pass_redelivery(subject).await;
    let again = at_last(|| Box::pin(receive(&queue, 2))).await?;
    equal(builds(&again), ids(&[1, 2]), "what was unacked is handed out again")?;
    check(again.iter().all(|delivery| delivery.deliveries > 1), "and counted")?;
    // Good or not by now: in no case is it an error for ever, and it takes nothing from others.
    for receipts in [receipts(&before), receipts(&again)] {
        at_last(|| queue.ack(&receipts)).await?;
    }
    pass_redelivery(subject).await;
    equal(receive_now(&queue).await?.len(), 0, "the receipts of the second time are good")
}

async fn a_batch_that_broke_off_can_be_repeated(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    let batch = messages(1..=4);
    let message_bytes = batch[0].to_wire().len() as u64;
    if !subject.cut_after(message_bytes * 5 / 2).await {
        return Err(Stop::skipped("there is no connection to break"));
    }
    let capabilities = queue.capabilities();
    let Err(error) = queue.publish(&batch).await else {
        return Err(Stop::failed("a batch whose connection broke was confirmed"));
    };
    let stored = at_last(|| queue.depth()).await?.ready;
    if error.effect() == Effect::None {
        equal(stored, 0, "an error without effect means that nothing was stored")?;
    }
    if capabilities.atomic_batch {
        check(stored == 0 || stored == 4, "a batch is stored whole or not at all")?;
    }
    at_last(|| queue.publish(&batch)).await?;
    let mut received = Vec::new();
    loop {
        let deliveries = queue.receive(10, SHORT * 10).await?;
        if deliveries.is_empty() {
            break;
        }
        queue.ack(&receipts(&deliveries)).await?;
        received.extend(builds(&deliveries));
    }
    if capabilities.dedupe_window.is_some() {
        equal(received.len(), 4, "what was stored of it the first time is not stored again")?;
    }
    let mut known = BTreeSet::new();
    received.retain(|id| known.insert(*id));
    equal(received, ids(&[1, 2, 3, 4]), "all of the batch is there, in order")
}
