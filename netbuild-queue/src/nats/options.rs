//! How a queue behaves.

use std::net::SocketAddr;
use std::time::Duration;

use crate::bounds::{at_least_one, bounded};

/// Names, bounds and times of a queue. Plain data with defaults.
///
/// What says how the stream and its consumer are made counts when they are made: of ones that are there, their own settings
/// count, and [`open`](super::NatsQueue::open) refuses those that cannot keep the promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsOptions {
    /// The stream, which is also its one subject: 1 to 64 of `a-z`, `A-Z`, `0-9`, `_` and `-`. Dead letters are in the stream
    /// `<name>-dead`. Default `netbuild`.
    pub stream: String,
    /// How many servers of a cluster keep each message: 1, 3 or 5. With 3 and `sync_interval: always` a queue goes on, and
    /// loses nothing, when one of them does not. Fewer in a stream that is there are refused. Default 1.
    pub replicas: usize,
    /// The most messages in the queue, unacked ones counted, when the stream is made. Default 100,000.
    pub queue_limit: u64,
    /// After which time an unacked message is handed out again, when the consumer is made. Default 30 s: the ledger admits
    /// within seconds.
    pub redelivery_after: Duration,
    /// After how many deliveries without an ack a message becomes a dead letter; `None`: never. Default 100: a ledger that is
    /// away for most of an hour buries nothing yet, a message that crashes every scheduler stops doing so within an hour.
    pub max_deliveries: Option<u32>,
    /// How long the stream knows the id of a published message, when it is made. The server keeps these ids in memory.
    /// Default 1 hour: longer than a publisher needs to come back and publish again what it had not marked.
    pub dedupe_window: Duration,
    /// How long a call takes in all; a receive, past its wait. Default 10 s.
    pub call_deadline: Duration,
    /// How long [`open`](super::NatsQueue::open) waits for a server that is not there yet. What a server refuses is refused
    /// at once. Default zero: not at all.
    pub open_wait: Duration,
    /// Where a server answers `/varz` by HTTP (its setting `http`), to see whether it syncs what it confirms. A client of
    /// NATS cannot see that. Default `None`: nothing is checked, and a warning says so.
    pub monitor: Option<SocketAddr>,
    /// Whether to work with a server that is too old to keep what it confirmed, or that [`monitor`](Self::monitor) shows to
    /// sync later. Never for builds that somebody waits for. Default `false`.
    pub allow_lossy: bool,
}

impl Default for NatsOptions {
    fn default() -> Self {
        NatsOptions {
            stream: "netbuild".to_owned(),
            replicas: 1,
            queue_limit: 100_000,
            redelivery_after: Duration::from_secs(30),
            max_deliveries: Some(100),
            dedupe_window: Duration::from_secs(3600),
            call_deadline: Duration::from_secs(10),
            open_wait: Duration::ZERO,
            monitor: None,
            allow_lossy: false,
        }
    }
}

const MAX_NAME: usize = 64;

impl NatsOptions {
    /// The same, with what is beyond every use taken as the nearest that is not.
    pub(super) fn bounded(self) -> Self {
        NatsOptions {
            // A stream without a bound would take the disk.
            queue_limit: self.queue_limit.max(1),
            redelivery_after: bounded(self.redelivery_after),
            max_deliveries: at_least_one(self.max_deliveries),
            dedupe_window: bounded(self.dedupe_window),
            call_deadline: bounded(self.call_deadline),
            open_wait: bounded(self.open_wait),
            ..self
        }
    }

    /// Whether the stream's name is one that a stream and a subject can have.
    pub(super) fn has_plain_name(&self) -> bool {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        (1..=MAX_NAME).contains(&self.stream.len()) && self.stream.bytes().all(plain)
    }

    /// The stream of dead letters, and its subject.
    pub(super) fn dead_stream(&self) -> String {
        format!("{}-dead", self.stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_a_plain_name() {
        let named = |stream: &str| NatsOptions { stream: stream.to_owned(), ..NatsOptions::default() };
        for good in ["netbuild", "A_1-b", &"a".repeat(64)] {
            assert!(named(good).has_plain_name(), "{good}");
        }
        for bad in ["", "a.b", "a*", ">", "a b", "ä", &"a".repeat(65)] {
            assert!(!named(bad).has_plain_name(), "{bad}");
        }
    }
}
