//! The queue over the broker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lapin::BasicProperties;
use netbuild_core::port::{Clock, DeadReason, Delivery, Depth, Message, Queue, QueueCapabilities, QueueError, Receipt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::dead;
use super::error::AmqpError;
use super::handle::Handle;
use super::holdings::Held;
use super::inbox;
use super::letter;
use super::options::AmqpOptions;
use super::session::Session;
use super::topology;
use crate::bounds::bounded;
use crate::connection::ConnectionState;

/// Between two looks at whether what was given back is in the queue.
const LOOK: Duration = Duration::from_millis(5);

/// A quorum queue of a RabbitMQ broker, and its dead letters.
#[derive(Clone, Debug)]
pub struct AmqpQueue {
    pub(super) handle: Arc<Handle>,
}

impl AmqpQueue {
    /// Connects to the broker at `address`, as `amqp://user:password@host:port/vhost`, and makes the queue if it is not there.
    ///
    /// The default virtual host, `/`, is written `%2f`. With the feature `amqp-tls` an address may begin with `amqps`: the
    /// broker's certificate is checked against those that the system trusts.
    ///
    /// # Errors
    /// [`AmqpError`]: it cannot be reached within [`open_wait`](AmqpOptions::open_wait), refuses, or has another queue of
    /// this name.
    pub async fn open(address: &str, options: AmqpOptions, clock: Arc<dyn Clock>) -> Result<Self, AmqpError> {
        Ok(AmqpQueue { handle: Arc::new(Handle::open(address, options, clock).await?) })
    }

    /// Whether the broker is there, for people and metrics.
    pub fn connection(&self) -> watch::Receiver<ConnectionState> {
        self.handle.state.clone()
    }

    fn options(&self) -> &AmqpOptions {
        &self.handle.options
    }

    /// Makes deliveries of what was handed out. What cannot be read or came too often is buried, and its place left to others.
    async fn judge(&self, session: &Session, handed_out: Vec<(u64, Held)>) -> Vec<Delivery> {
        let mut deliveries = Vec::with_capacity(handed_out.len());
        let mut spoiled = Vec::new();
        for (tag, held) in handed_out {
            match judge(&held, self.options().max_deliveries) {
                Ok(message) => {
                    let receipt = receipt(session.generation, tag);
                    deliveries.push(Delivery { message, receipt, deliveries: held.deliveries });
                }
                Err((reason, deliveries)) => {
                    tracing::error!(queue = self.options().queue, ?reason, "a message is a dead letter now");
                    spoiled.push((tag, Held { deliveries, ..held }, reason));
                }
            }
        }
        if !spoiled.is_empty()
            && let Err(error) = dead::bury_all(&self.handle, session, &spoiled).await
        {
            // They go back to the broker when they are due, and are met again.
            tracing::warn!(queue = self.options().queue, reason = %error, "dead letters could not be buried");
        }
        deliveries
    }

    /// The receipts of the current session, which is none when there are none.
    pub(super) fn good(&self, receipts: &[Receipt]) -> Option<(Arc<Session>, Vec<u64>)> {
        let mut by_generation: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for (generation, tag) in receipts.iter().filter_map(parse) {
            by_generation.entry(generation).or_default().push(tag);
        }
        by_generation.into_iter().find_map(|(generation, tags)| Some((self.handle.session_of(generation)?, tags)))
    }
}

#[async_trait]
impl Queue for AmqpQueue {
    fn capabilities(&self) -> QueueCapabilities {
        let options = self.options();
        QueueCapabilities {
            atomic_batch: false,
            dedupe_window: None,
            durable: true,
            redelivery_after: options.redelivery_after,
            max_deliveries: options.max_deliveries,
        }
    }

    async fn publish(&self, batch: &[Message]) -> Result<(), QueueError> {
        if batch.is_empty() {
            return Ok(());
        }
        let bodies: Vec<String> = batch.iter().map(Message::to_wire).collect();
        let properties = batch.iter().map(|message| letter::message_properties(&message.build.id.to_string()));
        let letters: Vec<(&[u8], BasicProperties)> = bodies.iter().map(String::as_bytes).zip(properties).collect();
        self.handle.publish(&self.options().queue, &letters, self.handle.deadline()).await
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let start = Instant::now();
        let ask_every = self.options().redelivery_after / 4;
        loop {
            let left = wait.saturating_sub(start.elapsed());
            let deadline = Instant::now() + left.clamp(LOOK, self.options().call_deadline);
            let session = self.handle.session(deadline).await.map_err(AmqpError::without_effect)?;
            // Before the look, so that what comes right after it is not missed.
            let mut arrived = std::pin::pin!(session.inbox.arrived.notified());
            arrived.as_mut().enable();
            if max == 0 {
                return Ok(Vec::new());
            }
            let until = Instant::now() + self.options().redelivery_after;
            let handed_out = session.inbox.hand_out(max, until);
            let deliveries = self.judge(&session, handed_out).await;
            let left = wait.saturating_sub(start.elapsed());
            if !deliveries.is_empty() || left.is_zero() {
                return Ok(deliveries);
            }
            // Either way the next round looks and decides.
            let _ = timeout(left.min(ask_every), arrived).await;
        }
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        let Some((session, tags)) = self.good(receipts) else { return Ok(()) };
        let acks = session.inbox.state().holdings.ack(&tags);
        // What a lost connection had comes again: an ack that it did not bring there is like one that was never called.
        let acked = self.handle.ask(&session, self.handle.deadline(), inbox::ack(&session, &acks)).await;
        acked.or_else(|_| Ok(()))
    }

    async fn nack(&self, receipts: &[Receipt], after: Duration) -> Result<(), QueueError> {
        let Some((session, tags)) = self.good(receipts) else { return Ok(()) };
        let after = bounded(after);
        let given_back = {
            let holdings = &mut session.inbox.state().holdings;
            match after.is_zero() {
                true => holdings.give_back(&tags),
                false => holdings.hold_back(&tags, Instant::now() + after, usize::from(self.options().prefetch) / 2),
            }
        };
        session.inbox.changed.notify_one();
        // What a lost connection had goes back by itself.
        let nacked = self.handle.ask(&session, self.handle.deadline(), inbox::give_back(&session, given_back)).await;
        nacked.or_else(|_| Ok(()))
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let deadline = self.handle.deadline();
        let session = self.handle.session(deadline).await.map_err(AmqpError::without_effect)?;
        let look = async {
            while !session.inbox.state().is_settled(Instant::now()) {
                sleep(LOOK).await;
            }
            // On the consumer's channel: what the broker does not count because it is on its way here arrives first.
            let ready = topology::ready(&session.consume, &self.options().queue).await?;
            session.inbox.drained().await;
            let _alone = session.at_dead.lock().await;
            Ok((ready, topology::ready(&session.consume, &self.options().dead_queue()).await?))
        };
        let (ready, dead) = self.handle.ask(&session, deadline, look).await.map_err(AmqpError::without_effect)?;
        let (unacked, here) = session.inbox.state().holdings.counts();
        Ok(Depth { ready: u64::from(ready) + here, unacked, oldest: None, dead: u64::from(dead) })
    }
}

fn receipt(generation: u64, tag: u64) -> Receipt {
    Receipt(format!("{generation}.{tag}"))
}

fn parse(receipt: &Receipt) -> Option<(u64, u64)> {
    let (generation, tag) = receipt.0.split_once('.')?;
    Some((generation.parse().ok()?, tag.parse().ok()?))
}

/// The message, or why it is a dead letter, and how often it was handed out.
fn judge(held: &Held, max_deliveries: Option<u32>) -> Result<Message, (DeadReason, u32)> {
    let before = held.deliveries.saturating_sub(1);
    if max_deliveries.is_some_and(|most| before >= most) {
        return Err((DeadReason::TooManyDeliveries, before));
    }
    Message::from_wire(&held.body).map_err(|error| (DeadReason::Unreadable(error.to_string()), before))
}
