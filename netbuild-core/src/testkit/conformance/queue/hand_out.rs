//! Publishing, handing out, acking and giving back.

use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::time::timeout;

use super::*;

pub(super) fn cases() -> Vec<Case<dyn Queue>> {
    list![
        messages_are_handed_out_whole,
        messages_are_handed_out_in_the_order_they_were_published,
        receive_hands_out_at_most_max,
        an_unacked_message_is_not_handed_out_early,
        an_unacked_message_is_handed_out_again,
        an_acked_message_is_gone,
        a_nacked_message_is_handed_out_again,
        a_nacked_message_waits_its_time,
        the_longest_times_are_taken,
        receipts_that_are_not_good_are_ignored,
        receive_ends_when_its_wait_is_over,
        receive_waits_for_a_publish,
        a_dropped_receive_loses_nothing,
        consumers_share_the_messages,
        callers_side_by_side_each_keep_their_order,
        depth_tells_ready_from_unacked,
        depth_dates_the_oldest,
        a_full_queue_stores_nothing_of_a_batch,
        an_acked_message_makes_room,
        a_repeated_publish_is_no_error,
        a_repeated_publish_is_stored_once_within_the_window,
        empty_batches_are_no_error,
        reopening_keeps_messages,
        reopening_hands_out_what_was_unacked,
    ]
}

async fn messages_are_handed_out_whole(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    queue.publish(&messages(1..=2)).await?;
    let deliveries = receive(&queue, 2).await?;
    let received: Vec<Message> = deliveries.iter().map(|delivery| delivery.message.clone()).collect();
    equal(received, messages(1..=2), "a message arrives as it was published")?;
    check(deliveries.iter().all(|delivery| delivery.deliveries == 1), "the first time counts as 1")
}

async fn messages_are_handed_out_in_the_order_they_were_published(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    queue.publish(&messages(3..=4)).await?;
    queue.publish(&messages(1..=2)).await?;
    let mut received = Vec::new();
    for _ in 0..4 {
        received.extend(builds(&queue.receive(1, PATIENT).await?));
    }
    equal(received, ids(&[3, 4, 1, 2]), "messages of one caller keep the order in which they were published")
}

async fn receive_hands_out_at_most_max(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    queue.publish(&messages(1..=3)).await?;
    check(queue.receive(2, PATIENT).await?.len() <= 2, "at most max messages are handed out")?;
    check(queue.receive(0, Duration::ZERO).await?.is_empty(), "a max of 0 hands out nothing")
}

async fn an_unacked_message_is_not_handed_out_early(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    queue.publish(&messages(1..=1)).await?;
    receive(&queue, 1).await?;
    equal(receive_now(&queue).await?.len(), 0, "a message that somebody has is not handed out")
}

async fn an_unacked_message_is_handed_out_again(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    queue.publish(&messages(1..=1)).await?;
    receive(&queue, 1).await?;
    pass_redelivery(subject).await;
    let again = receive(&queue, 1).await?;
    equal(builds(&again), ids(&[1]), "past redelivery_after an unacked message is handed out again")?;
    equal(again[0].deliveries, 2, "the second time counts as 2")
}

async fn an_acked_message_is_gone(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    queue.publish(&messages(1..=2)).await?;
    let deliveries = receive(&queue, 2).await?;
    queue.ack(&receipts(&deliveries[..1])).await?;
    pass_redelivery(subject).await;
    equal(builds(&receive(&queue, 1).await?), ids(&[2]), "only what was not acked comes again")?;
    equal(receive_now(&queue).await?.len(), 0, "an acked message never comes again")
}

async fn a_nacked_message_is_handed_out_again(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    queue.publish(&messages(1..=2)).await?;
    let deliveries = receive(&queue, 2).await?;
    queue.nack(&receipts(&deliveries[..1]), Duration::ZERO).await?;
    let again = receive(&queue, 1).await?;
    equal(builds(&again), ids(&[1]), "what was nacked comes again, and nothing else")?;
    equal(again[0].deliveries, 2, "the second time counts as 2")?;
    queue.ack(&receipts(&again)).await?;
    equal(receive_now(&queue).await?.len(), 0, "the receipt of the second time is good")
}

async fn a_nacked_message_waits_its_time(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    let unit = subject.unit();
    queue.publish(&messages(1..=1)).await?;
    let deliveries = receive(&queue, 1).await?;
    queue.nack(&receipts(&deliveries), unit * 3).await?;
    equal(receive_now(&queue).await?.len(), 0, "a nacked message is not handed out before its time")?;
    subject.pass(unit * 4).await;
    equal(builds(&receive(&queue, 1).await?), ids(&[1]), "after its time it is")
}

async fn the_longest_times_are_taken(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    queue.publish(&messages(1..=2)).await?;
    let mut deliveries = queue.receive(1, Duration::MAX).await?;
    deliveries.extend(queue.receive(1, Duration::MAX).await?);
    equal(builds(&deliveries), ids(&[1, 2]), "a receive that would wait for ever ends when there is something")?;
    queue.nack(&receipts(&deliveries[..1]), Duration::MAX).await?;
    equal(receive_now(&queue).await?.len(), 0, "what was given back for ever does not come")?;
    queue.ack(&receipts(&deliveries[1..])).await?;
    equal(queue.depth().await?.unacked, 0, "and the others are as ever")
}

async fn receipts_that_are_not_good_are_ignored(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    queue.publish(&messages(1..=2)).await?;
    let deliveries = receive(&queue, 2).await?;
    let (acked, nacked) = (receipts(&deliveries[..1]), receipts(&deliveries[1..]));
    queue.ack(&acked).await?;
    queue.ack(&acked).await?;
    queue.nack(&acked, Duration::ZERO).await?;
    equal(receive_now(&queue).await?.len(), 0, "a nack does not bring back what was acked")?;
    queue.nack(&nacked, Duration::ZERO).await?;
    queue.nack(&nacked, Duration::ZERO).await?;
    equal(builds(&receive(&queue, 1).await?), ids(&[2]), "a repeated nack gives the message back")?;
    equal(receive_now(&queue).await?.len(), 0, "once")
}

async fn receive_ends_when_its_wait_is_over(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    let deliveries = timeout(PATIENT, queue.receive(1, SHORT)).await;
    let deliveries = deliveries.map_err(|_| Stop::failed("receive waits longer than it was asked to"))??;
    equal(deliveries.len(), 0, "an empty queue hands out nothing, and that is no error")
}

async fn receive_waits_for_a_publish(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    let publish_later = async {
        tokio::time::sleep(SHORT).await;
        queue.publish(&messages(1..=1)).await
    };
    let (received, published) = join(timeout(PATIENT, queue.receive(1, PATIENT * 6)), publish_later).await;
    published?;
    let received = received.map_err(|_| Stop::failed("a publish does not end the wait"))??;
    equal(builds(&received), ids(&[1]), "receive waits for the first message")
}

async fn a_dropped_receive_loses_nothing(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    check(timeout(SHORT, queue.receive(1, PATIENT)).await.is_err(), "receive waits on an empty queue")?;
    queue.publish(&messages(1..=1)).await?;
    pass_redelivery(subject).await;
    equal(builds(&receive(&queue, 1).await?), ids(&[1]), "a receive that was dropped takes no message along")
}

async fn consumers_share_the_messages(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    queue.publish(&messages(1..=8)).await?;
    let mut received = Vec::new();
    for deliveries in join_all((0..4).map(|_| receive(&queue, 2))).await {
        received.extend(builds(&deliveries?));
    }
    received.sort();
    equal(received, ids(&[1, 2, 3, 4, 5, 6, 7, 8]), "each message goes to one consumer")
}

async fn callers_side_by_side_each_keep_their_order(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    let publish = async |publisher: u64| -> Result<(), QueueError> {
        for seq in 1..=2 {
            let build = build("acme", "site", 10 * publisher + seq);
            queue.publish(&[message(&format!("api-{publisher}"), seq, build)]).await?;
        }
        Ok(())
    };
    for published in join_all((1..=4).map(publish)).await {
        published?;
    }
    let received = builds(&receive(&queue, 8).await?);
    for publisher in 1..=4 {
        let own = [build_id(10 * publisher + 1), build_id(10 * publisher + 2)];
        let order: Vec<BuildId> = received.iter().filter(|id| own.contains(id)).copied().collect();
        equal(order, own.to_vec(), "each caller's messages keep their order beside others'")?;
    }
    Ok(())
}

async fn depth_tells_ready_from_unacked(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    let mut seen = Vec::new();
    let mut look = async || -> Result<(), QueueError> {
        let depth = queue.depth().await?;
        seen.push((depth.ready, depth.unacked));
        Ok(())
    };
    look().await?;
    queue.publish(&messages(1..=3)).await?;
    look().await?;
    let deliveries = receive(&queue, 2).await?;
    look().await?;
    queue.ack(&receipts(&deliveries[..1])).await?;
    look().await?;
    queue.nack(&receipts(&deliveries[1..]), Duration::ZERO).await?;
    look().await?;
    let expected = vec![(0, 0), (3, 0), (1, 2), (1, 1), (2, 0)];
    equal(seen, expected, "(ready, unacked): empty, published 3, received 2, acked 1, nacked 1")
}

async fn depth_dates_the_oldest(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    equal(queue.depth().await?.oldest, None, "an empty queue has no oldest message")?;
    let before = subject.now();
    queue.publish(&messages(1..=1)).await?;
    let after = subject.now();
    let unit = subject.unit();
    subject.pass(unit).await;
    queue.publish(&messages(2..=2)).await?;
    match queue.depth().await?.oldest {
        Some(oldest) => check((before..=after).contains(&oldest), "the oldest is dated when it was published"),
        None => Err(Stop::skipped("the queue cannot tell how old its messages are")),
    }
}

async fn a_full_queue_stores_nothing_of_a_batch(subject: Queues<'_>) -> Result<(), Stop> {
    let bound = subject.limit().ok_or_else(|| Stop::skipped("no bound that a case can reach"))?;
    let queue = subject.store();
    queue.publish(&messages(1..=bound - 1)).await?;
    let answer = queue.publish(&messages(bound..=bound + 1)).await;
    check(matches!(answer, Err(QueueError::Full { limit }) if limit == bound), "past the bound the queue is full")?;
    equal(queue.depth().await?.ready, bound - 1, "nothing of a batch past the bound is stored")?;
    queue.publish(&messages(bound..=bound)).await?;
    equal(queue.depth().await?.ready, bound, "what still fits is stored")
}

async fn an_acked_message_makes_room(subject: Queues<'_>) -> Result<(), Stop> {
    let bound = subject.limit().ok_or_else(|| Stop::skipped("no bound that a case can reach"))?;
    let queue = subject.store();
    queue.publish(&messages(1..=bound)).await?;
    let delivery = receive(&queue, 1).await?;
    check(queue.publish(&messages(bound + 1..=bound + 1)).await.is_err(), "an unacked message takes room")?;
    queue.ack(&receipts(&delivery)).await?;
    queue.publish(&messages(bound + 1..=bound + 1)).await?;
    Ok(())
}

async fn a_repeated_publish_is_no_error(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    queue.publish(&messages(1..=1)).await?;
    queue.publish(&messages(1..=1)).await?;
    let received = receive_now(&queue).await?;
    check(!received.is_empty(), "a message that was published twice is handed out")?;
    check(builds(&received).iter().all(|id| *id == build_id(1)), "and is the same each time")
}

async fn a_repeated_publish_is_stored_once_within_the_window(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    if queue.capabilities().dedupe_window.is_none() {
        return Err(Stop::skipped("the queue declares no dedupe window"));
    }
    queue.publish(&messages(1..=2)).await?;
    queue.publish(&messages(2..=3)).await?;
    equal(builds(&receive(&queue, 3).await?), ids(&[1, 2, 3]), "a known id is confirmed and not stored again")?;
    equal(receive_now(&queue).await?.len(), 0, "nothing is there twice")
}

async fn empty_batches_are_no_error(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    queue.publish(&[]).await?;
    queue.ack(&[]).await?;
    queue.nack(&[], Duration::ZERO).await?;
    equal(queue.depth().await?.ready, 0, "empty batches store nothing")
}

async fn reopening_keeps_messages(subject: Queues<'_>) -> Result<(), Stop> {
    subject.store().publish(&messages(1..=2)).await?;
    let queue = reopened(subject).await?;
    equal(builds(&receive(&queue, 2).await?), ids(&[1, 2]), "confirmed messages survive, in order")
}

async fn reopening_hands_out_what_was_unacked(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    queue.publish(&messages(1..=2)).await?;
    let deliveries = receive(&queue, 2).await?;
    queue.ack(&receipts(&deliveries[..1])).await?;
    drop(queue);
    let queue = reopened(subject).await?;
    pass_redelivery(subject).await;
    equal(builds(&receive(&queue, 1).await?), ids(&[2]), "an unacked message of a lost consumer comes again")?;
    equal(receive_now(&queue).await?.len(), 0, "an acked one does not")
}
