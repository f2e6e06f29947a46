//! What is not handed out any more.

use super::*;
use crate::port::{DeadBody, DeadLetter, DeadLetterId, DeadReason, MAX_REASON_BYTES};

pub(super) fn cases() -> Vec<Case<dyn Queue>> {
    list![
        a_buried_message_is_a_dead_letter,
        burying_by_a_receipt_that_is_not_good_does_nothing,
        a_long_reason_is_cut,
        a_message_that_nobody_acks_becomes_a_dead_letter,
        bytes_that_are_no_message_become_a_dead_letter,
        dead_letters_are_listed_oldest_first_and_stay,
        a_redriven_dead_letter_is_handed_out_as_if_new,
        a_discarded_dead_letter_is_gone,
        dead_letters_take_no_room,
        reopening_keeps_dead_letters,
    ]
}

const REASON: &str = "no such project";

/// Publishes messages, receives them and buries each by itself.
async fn bury(queue: &Arc<dyn Queue>, numbers: std::ops::RangeInclusive<u64>) -> Result<(), Stop> {
    let count = numbers.clone().count();
    queue.publish(&messages(numbers)).await?;
    let deliveries = receive(queue, count).await?;
    equal(deliveries.len(), count, "what was published is handed out")?;
    for receipt in receipts(&deliveries) {
        queue.bury(&[receipt], REASON).await?;
    }
    Ok(())
}

/// The builds of dead letters that hold messages.
fn dead_builds(letters: &[DeadLetter]) -> Vec<BuildId> {
    let build = |letter: &DeadLetter| match &letter.body {
        DeadBody::Message(message) => Some(message.build.id),
        DeadBody::Unreadable(_) => None,
    };
    letters.iter().filter_map(build).collect()
}

fn dead_ids(letters: &[DeadLetter]) -> Vec<DeadLetterId> {
    letters.iter().map(|letter| letter.id.clone()).collect()
}

async fn a_buried_message_is_a_dead_letter(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    queue.publish(&messages(1..=2)).await?;
    let deliveries = receive(&queue, 2).await?;
    queue.bury(&receipts(&deliveries[..1]), REASON).await?;
    queue.ack(&receipts(&deliveries[1..])).await?;
    let depth = queue.depth().await?;
    equal((depth.ready, depth.unacked, depth.dead), (0, 0, 1), "(ready, unacked, dead): one acked, one buried")?;
    let letters = queue.dead_letters(10).await?;
    equal(letters.len(), 1, "what was buried is listed, and nothing else")?;
    let whole = DeadBody::Message(Box::new(messages(1..=1).remove(0)));
    equal(&letters[0].body, &whole, "the message is kept whole")?;
    equal(&letters[0].reason, &DeadReason::Buried(REASON.to_owned()), "the reason is kept")?;
    equal(letters[0].deliveries, 1, "it was handed out once")?;
    pass_redelivery(subject).await;
    equal(receive_now(&queue).await?.len(), 0, "a dead letter is not handed out")
}

async fn burying_by_a_receipt_that_is_not_good_does_nothing(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    queue.publish(&messages(1..=2)).await?;
    let deliveries = receive(&queue, 2).await?;
    let (acked, nacked) = (receipts(&deliveries[..1]), receipts(&deliveries[1..]));
    queue.ack(&acked).await?;
    queue.nack(&nacked, Duration::ZERO).await?;
    queue.bury(&acked, REASON).await?;
    queue.bury(&nacked, REASON).await?;
    equal(queue.dead_letters(10).await?.len(), 0, "what was acked or given back cannot be buried")?;
    equal(builds(&receive(&queue, 1).await?), ids(&[2]), "what was given back is handed out")
}

async fn a_long_reason_is_cut(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    queue.publish(&messages(1..=1)).await?;
    let deliveries = receive(&queue, 1).await?;
    let long = "é".repeat(MAX_REASON_BYTES);
    queue.bury(&receipts(&deliveries), &long).await?;
    let letters = queue.dead_letters(10).await?;
    let cut = DeadReason::Buried(long[..MAX_REASON_BYTES].to_owned());
    check(letters.iter().map(|letter| &letter.reason).eq([&cut]), "a long reason is kept up to its bound")
}

async fn a_message_that_nobody_acks_becomes_a_dead_letter(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    let most = match queue.capabilities().max_deliveries {
        Some(most @ 1..=10) => most,
        _ => return Err(Stop::skipped("no bound on deliveries that a case can reach")),
    };
    queue.publish(&messages(1..=1)).await?;
    for time in 1..=most {
        let delivery = receive(&queue, 1).await?;
        equal(builds(&delivery), ids(&[1]), "up to the bound a message is handed out")?;
        equal(delivery[0].deliveries, time, "each time is counted")?;
        queue.nack(&receipts(&delivery), Duration::ZERO).await?;
    }
    queue.publish(&messages(2..=2)).await?;
    equal(builds(&receive(&queue, 1).await?), ids(&[2]), "past the bound it is not, and the next one is")?;
    equal(receive_now(&queue).await?.len(), 0, "nor later")?;
    let letters = queue.dead_letters(10).await?;
    equal(dead_builds(&letters), ids(&[1]), "it is a dead letter")?;
    equal(&letters[0].reason, &DeadReason::TooManyDeliveries, "for this reason")?;
    equal(letters[0].deliveries, most, "with the number of its deliveries")?;
    equal(queue.depth().await?.dead, 1, "and counted as one")
}

async fn bytes_that_are_no_message_become_a_dead_letter(subject: Queues<'_>) -> Result<(), Stop> {
    const FOREIGN: &[u8] = b"{\"place\":\"nowhere\"}";
    let queue = subject.store();
    queue.publish(&messages(1..=1)).await?;
    if !subject.inject(FOREIGN).await {
        return Err(Stop::skipped("nothing can be put into this queue past its adapter"));
    }
    queue.publish(&messages(2..=2)).await?;
    let mut received = Vec::new();
    for _ in 0..2 {
        received.extend(builds(&queue.receive(1, PATIENT).await?));
    }
    equal(received, ids(&[1, 2]), "what cannot be read stops nobody behind it")?;
    equal(receive_now(&queue).await?.len(), 0, "and is not handed out")?;
    let letters = queue.dead_letters(10).await?;
    equal(letters.len(), 1, "it is a dead letter")?;
    equal(&letters[0].body, &DeadBody::Unreadable(FOREIGN.to_vec()), "with its bytes")?;
    check(matches!(letters[0].reason, DeadReason::Unreadable(_)), "and the reason")?;
    equal(queue.redrive(&dead_ids(&letters)).await?, 1, "it can be put back")?;
    equal(receive_now(&queue).await?.len(), 0, "and dies again")?;
    equal(queue.depth().await?.dead, 1, "into one dead letter")
}

async fn dead_letters_are_listed_oldest_first_and_stay(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    bury(&queue, 1..=3).await?;
    for _ in 0..2 {
        equal(dead_builds(&queue.dead_letters(2).await?), ids(&[1, 2]), "at most max, the oldest first, each time")?;
    }
    equal(dead_builds(&queue.dead_letters(10).await?), ids(&[1, 2, 3]), "listing changes nothing")?;
    equal(queue.dead_letters(0).await?.len(), 0, "a max of 0 lists nothing")
}

async fn a_redriven_dead_letter_is_handed_out_as_if_new(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    bury(&queue, 1..=2).await?;
    queue.publish(&messages(3..=3)).await?;
    let first = dead_ids(&queue.dead_letters(1).await?);
    equal(queue.redrive(&first).await?, 1, "what was put back is counted")?;
    equal(queue.redrive(&first).await?, 0, "an id that is not there any more is passed over")?;
    let mut received = Vec::new();
    for _ in 0..2 {
        received.extend(queue.receive(1, PATIENT).await?);
    }
    equal(builds(&received), ids(&[3, 1]), "it stands behind what was published meanwhile")?;
    equal(received[1].deliveries, 1, "its deliveries are counted anew")?;
    queue.ack(&receipts(&received)).await?;
    equal(receive_now(&queue).await?.len(), 0, "it comes once")?;
    equal(dead_builds(&queue.dead_letters(10).await?), ids(&[2]), "the other one stays dead")
}

async fn a_discarded_dead_letter_is_gone(subject: Queues<'_>) -> Result<(), Stop> {
    let queue = subject.store();
    bury(&queue, 1..=2).await?;
    let first = dead_ids(&queue.dead_letters(1).await?);
    equal(queue.discard(&first).await?, 1, "what was discarded is counted")?;
    equal(queue.discard(&first).await?, 0, "an id that is not there any more is passed over")?;
    equal(queue.redrive(&first).await?, 0, "what is gone cannot be put back")?;
    equal(dead_builds(&queue.dead_letters(10).await?), ids(&[2]), "the other one stays")?;
    pass_redelivery(subject).await;
    equal(receive_now(&queue).await?.len(), 0, "neither is handed out")
}

async fn dead_letters_take_no_room(subject: Queues<'_>) -> Result<(), Stop> {
    let bound = subject.limit().ok_or_else(|| Stop::skipped("no bound that a case can reach"))?;
    let queue = subject.store();
    bury(&queue, 1..=2).await?;
    queue.publish(&messages(3..=bound + 2)).await?;
    equal(queue.depth().await?.ready, bound, "a queue with dead letters takes as much as an empty one")
}

async fn reopening_keeps_dead_letters(subject: Queues<'_>) -> Result<(), Stop> {
    bury(&subject.store(), 1..=2).await?;
    let queue = reopened(subject).await?;
    let letters = queue.dead_letters(10).await?;
    equal(dead_builds(&letters), ids(&[1, 2]), "dead letters survive")?;
    equal(queue.redrive(&dead_ids(&letters)).await?, 2, "and can be put back")?;
    equal(builds(&receive(&queue, 2).await?), ids(&[1, 2]), "in the order in which they were named")
}
