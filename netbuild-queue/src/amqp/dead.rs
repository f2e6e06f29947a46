//! The dead letters, in a queue of their own.
//!
//! A queue cannot be read without taking from it, so looking takes and gives back.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions};
use lapin::{BasicProperties, Channel};
use netbuild_core::port::{
    DeadBody, DeadLetter, DeadLetterId, DeadLetters, DeadReason, QueueError, Receipt, bounded_reason,
};
use tokio::time::{sleep, timeout};

use super::error::AmqpError;
use super::handle::Handle;
use super::holdings::Held;
use super::inbox;
use super::letter;
use super::queue::AmqpQueue;
use super::session::Session;
use super::topology;

/// What was given back is in the queue after this time, on a broker that is well.
const ARRIVES: Duration = Duration::from_secs(1);
/// Between two looks at whether it is.
const LOOK: Duration = Duration::from_millis(5);

/// Moves deliveries to the dead letters: confirmed there before they are acked here.
pub(super) async fn bury_all(
    handle: &Handle,
    session: &Session,
    dying: &[(u64, Held, DeadReason)],
) -> Result<(), QueueError> {
    let now = handle.clock.now();
    let letters: Vec<(&[u8], BasicProperties)> =
        dying.iter().map(|(_, held, reason)| (&*held.body, letter::dead_properties(held, reason, now))).collect();
    let deadline = handle.deadline();
    handle.publish(&handle.options.dead_queue(), &letters, deadline).await?;
    let tags: Vec<u64> = dying.iter().map(|(tag, ..)| *tag).collect();
    let acks = session.inbox.state().holdings.ack(&tags);
    handle.ask(session, deadline, inbox::ack(session, &acks)).await.map_err(AmqpError::of_unknown_effect)
}

/// A dead letter that was taken, until it is acked or given back.
struct Taken {
    tag: u64,
    letter: DeadLetter,
    body: Vec<u8>,
}

/// Takes dead letters until there are `max`, or no more, or all that are wanted. Those that are not kept are to be given back.
async fn take(
    channel: &Channel,
    handle: &Handle,
    max: usize,
    mut is_enough: impl FnMut(&DeadLetter) -> bool,
) -> lapin::Result<(Vec<Taken>, u32)> {
    let (queue, most) = (handle.options.dead_queue(), handle.options.max_deliveries.unwrap_or(u32::MAX));
    let (mut taken, mut left) = (Vec::new(), 0);
    while taken.len() < max {
        let Some(got) = channel.basic_get(queue.as_str().into(), BasicGetOptions::default()).await? else { break };
        left = got.message_count;
        let delivery = got.delivery;
        let letter = letter::letter(&delivery.properties, &delivery.data, most);
        let is_enough = is_enough(&letter);
        taken.push(Taken { tag: delivery.delivery_tag, letter, body: delivery.data });
        if is_enough {
            break;
        }
    }
    Ok((taken, left))
}

/// Gives letters back, and waits until they can be taken again: the broker does not tell when.
async fn give_back(channel: &Channel, queue: &str, taken: &[Taken], left: u32) -> lapin::Result<()> {
    for Taken { tag, .. } in taken {
        channel.basic_nack(*tag, BasicNackOptions { requeue: true, multiple: false }).await?;
    }
    let all = u64::from(left) + taken.len() as u64;
    let arrived = async {
        while u64::from(topology::ready(channel, queue).await?) < all {
            sleep(LOOK).await;
        }
        Ok(())
    };
    // Somebody else may take some meanwhile.
    timeout(ARRIVES, arrived).await.unwrap_or(Ok(()))
}

impl AmqpQueue {
    /// Takes the letters with these ids, gives all others back, and does something with those before they are forgotten.
    async fn forget(&self, ids: &[DeadLetterId], redrive: bool) -> Result<u64, QueueError> {
        let handle = &self.handle;
        let deadline = handle.deadline();
        let session = handle.session(deadline).await.map_err(AmqpError::without_effect)?;
        let queue = handle.options.dead_queue();
        let _alone = session.at_dead.lock().await;
        let channel = handle.ask(&session, deadline, session.channel()).await.map_err(AmqpError::without_effect)?;
        let mut missing: Vec<&DeadLetterId> = ids.iter().collect();
        let take_wanted = take(&channel, handle, usize::MAX, |letter| {
            missing.retain(|id| **id != letter.id);
            missing.is_empty()
        });
        let taken = match ids.is_empty() {
            true => Ok((Vec::new(), 0)),
            false => handle.ask(&session, deadline, take_wanted).await,
        };
        let (taken, left) = taken.map_err(AmqpError::without_effect)?;
        let order: BTreeMap<&DeadLetterId, usize> = ids.iter().enumerate().map(|(place, id)| (id, place)).collect();
        let (mut wanted, others): (Vec<Taken>, Vec<Taken>) =
            taken.into_iter().partition(|taken| order.contains_key(&taken.letter.id));
        wanted.sort_by_key(|taken| order[&taken.letter.id]);
        let published = match redrive && !wanted.is_empty() {
            true => handle.publish(&handle.options.queue, &revived(&wanted), deadline).await,
            false => Ok(()),
        };
        let settle = async {
            if published.is_err() {
                give_back(&channel, &queue, &wanted, 0).await?;
            } else {
                for Taken { tag, .. } in &wanted {
                    channel.basic_ack(*tag, BasicAckOptions::default()).await?;
                }
            }
            give_back(&channel, &queue, &others, left).await
        };
        let settled = handle.ask(&session, deadline, settle).await;
        published?;
        settled.map_err(AmqpError::of_unknown_effect)?;
        Ok(wanted.len() as u64)
    }
}

/// Letters as new messages: nothing that was counted goes with them.
fn revived(wanted: &[Taken]) -> Vec<(&[u8], BasicProperties)> {
    let properties = |taken: &Taken| match &taken.letter.body {
        DeadBody::Message(message) => letter::message_properties(&message.build.id.to_string()),
        DeadBody::Unreadable(_) => letter::message_properties(&taken.letter.id.0),
    };
    wanted.iter().map(|taken| (taken.body.as_slice(), properties(taken))).collect()
}

#[async_trait]
impl DeadLetters for AmqpQueue {
    async fn bury(&self, receipts: &[Receipt], reason: &str) -> Result<(), QueueError> {
        let Some((session, tags)) = self.good(receipts) else { return Ok(()) };
        let reason = DeadReason::Buried(bounded_reason(reason).to_owned());
        let good = session.inbox.state().holdings.good(&tags);
        let dying: Vec<(u64, Held, DeadReason)> =
            good.into_iter().map(|(tag, held)| (tag, held, reason.clone())).collect();
        if dying.is_empty() {
            return Ok(());
        }
        bury_all(&self.handle, &session, &dying).await
    }

    async fn dead_letters(&self, max: usize) -> Result<Vec<DeadLetter>, QueueError> {
        let deadline = self.handle.deadline();
        let session = self.handle.session(deadline).await.map_err(AmqpError::without_effect)?;
        let look = async {
            let _alone = session.at_dead.lock().await;
            let channel = session.channel().await?;
            let (taken, left) = take(&channel, &self.handle, max, |_| false).await?;
            give_back(&channel, &self.handle.options.dead_queue(), &taken, left).await?;
            Ok(taken.into_iter().map(|taken| taken.letter).collect())
        };
        self.handle.ask(&session, deadline, look).await.map_err(AmqpError::without_effect)
    }

    async fn redrive(&self, ids: &[DeadLetterId]) -> Result<u64, QueueError> {
        self.forget(ids, true).await
    }

    async fn discard(&self, ids: &[DeadLetterId]) -> Result<u64, QueueError> {
        self.forget(ids, false).await
    }
}
