//! The queue in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::model::Timestamp;
use crate::port::{
    Clock, DeadBody, DeadLetter, DeadLetterId, DeadLetters, DeadReason, Delivery, Depth, Message, Queue,
    QueueCapabilities, QueueError, Receipt, bounded_reason,
};

/// A queue that keeps its messages in memory: not durable.
///
/// Visibility times are counted by the clock that it is given, waiting by tokio's.
#[derive(Debug)]
pub struct MemoryQueue {
    limit: usize,
    redelivery_after: Duration,
    max_deliveries: u32,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    changed: Notify,
}

impl MemoryQueue {
    /// After how many deliveries without an ack a message becomes a dead letter.
    pub const MAX_DELIVERIES: u32 = 100;

    /// An empty queue of at most `limit` messages, acked ones not counted. An unacked message is handed out again after
    /// `redelivery_after`, [`MAX_DELIVERIES`](Self::MAX_DELIVERIES) times.
    pub fn new(limit: usize, redelivery_after: Duration, clock: Arc<dyn Clock>) -> Self {
        let max_deliveries = Self::MAX_DELIVERIES;
        let (state, changed) = (Mutex::default(), Notify::new());
        MemoryQueue { limit, redelivery_after, max_deliveries, clock, state, changed }
    }

    /// The same queue with another bound on deliveries, at least 1.
    pub fn with_max_deliveries(mut self, max_deliveries: u32) -> Self {
        self.max_deliveries = max_deliveries.max(1);
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }
}

/// The longest wait that counts, 30 years: beyond it sums of times leave their range.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// The shortest sleep before looking for a message that becomes visible: a manual clock may stand still meanwhile.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

#[async_trait]
impl Queue for MemoryQueue {
    fn capabilities(&self) -> QueueCapabilities {
        QueueCapabilities {
            atomic_batch: true,
            dedupe_window: None,
            durable: false,
            redelivery_after: self.redelivery_after,
            max_deliveries: Some(self.max_deliveries),
        }
    }

    async fn publish(&self, batch: &[Message]) -> Result<(), QueueError> {
        let mut state = self.state();
        if state.entries.len() + batch.len() > self.limit {
            return Err(QueueError::Full { limit: self.limit as u64 });
        }
        state.publish(batch, self.clock.now());
        self.changed.notify_waiters();
        Ok(())
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let deadline = Instant::now() + wait.min(LONGEST);
        loop {
            let changed = self.changed.notified();
            let now = self.clock.monotonic();
            let (deliveries, next) = {
                let mut state = self.state();
                state.give_up(now, self.max_deliveries, self.clock.now());
                state.receive(max, now, self.redelivery_after)
            };
            if !deliveries.is_empty() || max == 0 || Instant::now() >= deadline {
                return Ok(deliveries);
            }
            let look_again = next.map(|at| Instant::now() + at.saturating_sub(now).clamp(SHORTEST_SLEEP, LONGEST));
            let until = look_again.map_or(deadline, |at| at.min(deadline));
            // Either way the next round looks and decides.
            let _ = timeout_at(until, changed).await;
        }
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        self.state().ack(receipts);
        Ok(())
    }

    async fn nack(&self, receipts: &[Receipt], after: Duration) -> Result<(), QueueError> {
        self.state().nack(receipts, self.clock.monotonic().saturating_add(after));
        self.changed.notify_waiters();
        Ok(())
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        Ok(self.state().depth(self.clock.monotonic()))
    }
}

#[async_trait]
impl DeadLetters for MemoryQueue {
    async fn bury(&self, receipts: &[Receipt], reason: &str) -> Result<(), QueueError> {
        let mut state = self.state();
        for number in state.all_good(receipts) {
            state.bury(number, DeadReason::Buried(bounded_reason(reason).to_owned()), self.clock.now());
        }
        Ok(())
    }

    async fn dead_letters(&self, max: usize) -> Result<Vec<DeadLetter>, QueueError> {
        Ok(self.state().dead.values().take(max).cloned().collect())
    }

    async fn redrive(&self, ids: &[DeadLetterId]) -> Result<u64, QueueError> {
        let mut state = self.state();
        let messages: Vec<Message> = state.take_dead(ids).filter_map(into_message).collect();
        state.publish(&messages, self.clock.now());
        self.changed.notify_waiters();
        Ok(messages.len() as u64)
    }

    async fn discard(&self, ids: &[DeadLetterId]) -> Result<u64, QueueError> {
        Ok(self.state().take_dead(ids).count() as u64)
    }
}

/// All bodies here are messages: none was ever bytes.
fn into_message(letter: DeadLetter) -> Option<Message> {
    match letter.body {
        DeadBody::Message(message) => Some(*message),
        DeadBody::Unreadable(_) => None,
    }
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    entries: BTreeMap<u64, Entry>,
    dead: BTreeMap<u64, DeadLetter>,
}

#[derive(Debug)]
struct Entry {
    message: Message,
    published_at: Timestamp,
    /// By the monotonic clock.
    visible_at: Duration,
    handed_out: bool,
    deliveries: u32,
}

impl State {
    fn publish(&mut self, batch: &[Message], now: Timestamp) {
        for message in batch {
            self.last += 1;
            let entry = Entry {
                message: message.clone(),
                published_at: now,
                visible_at: Duration::ZERO,
                handed_out: false,
                deliveries: 0,
            };
            self.entries.insert(self.last, entry);
        }
    }

    /// Hands out what is visible, and tells when the next message becomes visible.
    fn receive(&mut self, max: usize, now: Duration, redelivery_after: Duration) -> (Vec<Delivery>, Option<Duration>) {
        let mut deliveries = Vec::new();
        for (number, entry) in self.entries.iter_mut().filter(|(_, entry)| entry.visible_at <= now).take(max) {
            entry.visible_at = now + redelivery_after;
            entry.handed_out = true;
            entry.deliveries = entry.deliveries.saturating_add(1);
            deliveries.push(Delivery {
                message: entry.message.clone(),
                receipt: receipt(*number, entry.deliveries),
                deliveries: entry.deliveries,
            });
        }
        (deliveries, self.entries.values().map(|entry| entry.visible_at).min())
    }

    /// Buries what would be handed out once too often.
    fn give_up(&mut self, now: Duration, max_deliveries: u32, died_at: Timestamp) {
        let spent = |entry: &Entry| entry.visible_at <= now && entry.deliveries >= max_deliveries;
        let spent: Vec<u64> =
            self.entries.iter().filter(|(_, entry)| spent(entry)).map(|(number, _)| *number).collect();
        for number in spent {
            self.bury(number, DeadReason::TooManyDeliveries, died_at);
        }
    }

    fn bury(&mut self, number: u64, reason: DeadReason, died_at: Timestamp) {
        let Some(entry) = self.entries.remove(&number) else { return };
        let letter = DeadLetter {
            id: DeadLetterId(number.to_string()),
            body: DeadBody::Message(Box::new(entry.message)),
            reason,
            deliveries: entry.deliveries,
            died_at: Some(died_at),
        };
        self.dead.insert(number, letter);
    }

    fn take_dead(&mut self, ids: &[DeadLetterId]) -> impl Iterator<Item = DeadLetter> {
        ids.iter().filter_map(|id| self.dead.remove(&id.0.parse().ok()?))
    }

    fn ack(&mut self, receipts: &[Receipt]) {
        for number in self.all_good(receipts) {
            self.entries.remove(&number);
        }
    }

    fn nack(&mut self, receipts: &[Receipt], visible_at: Duration) {
        for number in self.all_good(receipts) {
            if let Some(entry) = self.entries.get_mut(&number) {
                entry.handed_out = false;
                entry.visible_at = visible_at;
            }
        }
    }

    fn depth(&self, now: Duration) -> Depth {
        let is_unacked = |entry: &&Entry| entry.handed_out && entry.visible_at > now;
        let unacked = self.entries.values().filter(is_unacked).count() as u64;
        Depth {
            ready: self.entries.len() as u64 - unacked,
            unacked,
            oldest: self.entries.values().map(|entry| entry.published_at).min(),
            dead: self.dead.len() as u64,
        }
    }

    fn all_good(&self, receipts: &[Receipt]) -> Vec<u64> {
        receipts.iter().filter_map(|receipt| self.good(receipt)).collect()
    }

    /// The message of a receipt that is still good.
    fn good(&self, named: &Receipt) -> Option<u64> {
        let number = named.0.split_once('.')?.0.parse().ok()?;
        let entry = self.entries.get(&number)?;
        (entry.handed_out && *named == receipt(number, entry.deliveries)).then_some(number)
    }
}

fn receipt(number: u64, deliveries: u32) -> Receipt {
    Receipt(format!("{number}.{deliveries}"))
}
