//! How a store behaves.

use std::time::Duration;

use crate::bounds::{at_least_one, bounded};

/// Bounds and times of a store. Plain data with defaults; stores that share a schema may differ in all but the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresOptions {
    /// The schema that holds the tables, and nothing else: 1 to 40 of `a-z`, `0-9` and `_`, not beginning with a digit or
    /// `pg_`. Made when it is not there. Default `netbuild`.
    pub schema: String,
    /// The most connections of the store, one for news not counted. Default 8.
    pub connections: usize,
    /// The most pending messages of one publisher's outbox. Default 100,000: days of a partition for most teams.
    pub outbox_limit: u64,
    /// How long the key of a published event is remembered. Default 7 days: the longest time after which known code hosts
    /// send a webhook again.
    pub event_key_age: Duration,
    /// The most messages in the queue, unacked ones counted. Publishers that publish at the same moment may pass it by what
    /// they publish then. Default 100,000.
    pub queue_limit: u64,
    /// After which time an unacked message is handed out again. Default 30 s: the ledger admits within seconds.
    pub redelivery_after: Duration,
    /// After how many deliveries without an ack a message becomes a dead letter; `None`: never. Default 100: a ledger that is
    /// away for most of an hour buries nothing yet, a message that crashes every scheduler stops doing so within an hour.
    pub max_deliveries: Option<u32>,
    /// How long the queue knows the id of a published message. Zero: not at all. Default 1 hour: longer than a publisher
    /// needs to come back and publish again what it had not marked.
    pub dedupe_window: Duration,
    /// How long a call takes in all, a new connection and the wait for a free one included. The server gives up a statement
    /// after four fifths of it, which is the better explained answer. From 10 ms to a day; what is outside is taken as the
    /// nearer of the two. Default 10 s.
    pub call_deadline: Duration,
    /// How long [`open`](super::PostgresStore::open) waits for a server that is not there yet. What a server refuses is
    /// refused at once. Default zero: not at all.
    pub open_wait: Duration,
    /// Whether to work with a server that is set to lose what it confirmed (`fsync` or `full_page_writes` off). Never for
    /// builds that somebody waits for. Default `false`.
    pub allow_lossy: bool,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        PostgresOptions {
            schema: "netbuild".to_owned(),
            connections: 8,
            outbox_limit: 100_000,
            event_key_age: Duration::from_secs(7 * 24 * 3600),
            queue_limit: 100_000,
            redelivery_after: Duration::from_secs(30),
            max_deliveries: Some(100),
            dedupe_window: Duration::from_secs(3600),
            call_deadline: Duration::from_secs(10),
            open_wait: Duration::ZERO,
            allow_lossy: false,
        }
    }
}

/// The most that a bound can be.
const MOST: u64 = i64::MAX as u64 / 4;
/// The shortest and the longest deadline: PostgreSQL and the system count them in milliseconds, of which zero means none.
const SHORTEST_DEADLINE: Duration = Duration::from_millis(10);
const LONGEST_DEADLINE: Duration = Duration::from_secs(24 * 3600);

/// The longest name of a schema: names of its parts fit into PostgreSQL's 63 bytes with it.
const MAX_SCHEMA: usize = 40;

impl PostgresOptions {
    /// The same, with what is beyond every use taken as the nearest that is not.
    pub(super) fn bounded(self) -> Self {
        PostgresOptions {
            // One more than each is counted in the database's largest integer.
            outbox_limit: self.outbox_limit.min(MOST),
            queue_limit: self.queue_limit.min(MOST),
            redelivery_after: bounded(self.redelivery_after),
            max_deliveries: at_least_one(self.max_deliveries),
            call_deadline: self.call_deadline.clamp(SHORTEST_DEADLINE, LONGEST_DEADLINE),
            open_wait: bounded(self.open_wait),
            ..self
        }
    }

    /// Whether the schema's name needs no quotes anywhere.
    pub(super) fn has_plain_schema(&self) -> bool {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        (1..=MAX_SCHEMA).contains(&self.schema.len())
            && self.schema.bytes().all(plain)
            && !self.schema.starts_with(|first: char| first.is_ascii_digit())
            && !self.schema.starts_with("pg_")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_a_plain_name() {
        let named = |schema: &str| PostgresOptions { schema: schema.to_owned(), ..PostgresOptions::default() };
        for good in ["netbuild", "_n", "a1", &"a".repeat(40)] {
            assert!(named(good).has_plain_schema(), "{good}");
        }
        for bad in ["", "1a", "A", "a b", "a\"b", "a;drop", "pg_toast", "ä", &"a".repeat(41)] {
            assert!(!named(bad).has_plain_schema(), "{bad}");
        }
    }
}
