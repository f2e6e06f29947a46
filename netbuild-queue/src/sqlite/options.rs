//! How a store behaves.

use std::time::Duration;

/// Bounds and times of a store. Plain data with defaults; stores that share a file may differ in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    /// The most pending messages of one publisher's outbox. Default 100,000: days of a partition for most teams.
    pub outbox_limit: u64,
    /// How long the key of a published event is remembered. Default 7 days: the longest time after which known code hosts
    /// send a webhook again.
    pub event_key_age: Duration,
    /// The most messages in the queue, unacked ones counted. Default 100,000.
    pub queue_limit: u64,
    /// After which time an unacked message is handed out again. Default 30 s: the ledger admits within seconds.
    pub redelivery_after: Duration,
    /// After how many deliveries without an ack a message becomes a dead letter; `None`: never. Default 100: a ledger that is
    /// away for most of an hour buries nothing yet, a message that crashes every scheduler stops doing so within an hour.
    pub max_deliveries: Option<u32>,
    /// How long the queue knows the id of a published message. Zero: not at all. Default 1 hour: longer than a publisher
    /// needs to come back and publish again what it had not marked.
    pub dedupe_window: Duration,
    /// How long a call waits for the write lock of another process, at most 24 days. Default 5 s.
    pub busy_timeout: Duration,
    /// How long a call takes in all. Default 10 s: above `busy_timeout`, so that the better explained answer wins.
    pub call_deadline: Duration,
    /// The most bytes of the file, its write-ahead log not counted; past it every write is refused as on a full disk.
    /// Default 64 GiB.
    pub max_file_bytes: u64,
    /// What is left of answered calls after which kind of crash. Default: all, after every kind.
    pub durability: Durability,
}

/// After which kind of crash everything that a store answered with Ok is still there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Also after a power cut: each commit is synced to the disk (`synchronous=FULL`). It is what the ports promise.
    #[default]
    PowerCut,
    /// After the end of the process at any point, `kill -9` included. A power cut or a crash of the system takes the last
    /// seconds back (`synchronous=NORMAL`); what is left is whole and in order. Less than the ports promise, so never for
    /// builds that somebody waits for; for tests, and for what can be made again.
    ProcessEnd,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        SqliteOptions {
            outbox_limit: 100_000,
            event_key_age: Duration::from_secs(7 * 24 * 3600),
            queue_limit: 100_000,
            redelivery_after: Duration::from_secs(30),
            max_deliveries: Some(100),
            dedupe_window: Duration::from_secs(3600),
            busy_timeout: Duration::from_secs(5),
            call_deadline: Duration::from_secs(10),
            max_file_bytes: 64 << 30,
            durability: Durability::default(),
        }
    }
}
