//! How a queue behaves.

use std::time::Duration;

use crate::bounds::bounded;

/// Bounds and times of a queue. Plain data with defaults; programs that share a queue agree on its name and on
/// `max_deliveries`, and may differ in the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmqpOptions {
    /// The queue's name: 1 to 200 bytes without control characters, not beginning with `amq.`. Its dead letters are in
    /// `<name>.dead`. Both are made when they are not there. Default `netbuild`.
    pub queue: String,
    /// The most messages that the broker gives to one consumer beforehand, unacked ones counted, at least 1. Default 1,024:
    /// two batches of 512.
    pub prefetch: u16,
    /// After which time an unacked message goes back to the broker, which hands it out again. Default 30 s: the ledger
    /// admits within seconds. Must be less than the broker's `consumer_timeout`, which is 30 minutes.
    pub redelivery_after: Duration,
    /// After how many deliveries without an ack a message becomes a dead letter; `None`: never. It is an argument of the
    /// queue, so changing it means making the queue anew. Default 100: a ledger that is away for most of an hour buries
    /// nothing yet, a message that crashes every scheduler stops doing so within an hour.
    pub max_deliveries: Option<u32>,
    /// How long a call takes in all, the wait for a lost connection included. Default 10 s.
    pub call_deadline: Duration,
    /// How long [`open`](super::AmqpQueue::open) waits for a broker that is not there yet. What a broker refuses is refused
    /// at once. Default zero: not at all.
    pub open_wait: Duration,
}

impl Default for AmqpOptions {
    fn default() -> Self {
        AmqpOptions {
            queue: "netbuild".to_owned(),
            prefetch: 1_024,
            redelivery_after: Duration::from_secs(30),
            max_deliveries: Some(100),
            call_deadline: Duration::from_secs(10),
            open_wait: Duration::ZERO,
        }
    }
}

/// The longest name: AMQP's 255 bytes hold it with the ends that are added.
const MAX_NAME: usize = 200;

impl AmqpOptions {
    /// The same, with times beyond every use taken as the longest that counts.
    pub(super) fn bounded(self) -> Self {
        AmqpOptions {
            redelivery_after: bounded(self.redelivery_after),
            call_deadline: bounded(self.call_deadline),
            open_wait: bounded(self.open_wait),
            ..self
        }
    }

    pub(super) fn has_plain_name(&self) -> bool {
        let name = &self.queue;
        (1..=MAX_NAME).contains(&name.len()) && !name.starts_with("amq.") && !name.contains(char::is_control)
    }

    /// The queue of the dead letters.
    pub(super) fn dead_queue(&self) -> String {
        format!("{}.dead", self.queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_a_broker_takes() {
        let named = |queue: &str| AmqpOptions { queue: queue.to_owned(), ..AmqpOptions::default() };
        for good in ["netbuild", "a b", "ä", &"a".repeat(200)] {
            assert!(named(good).has_plain_name(), "{good}");
        }
        for bad in ["", "amq.x", "a\nb", &"a".repeat(201)] {
            assert!(!named(bad).has_plain_name(), "{bad}");
        }
    }
}
