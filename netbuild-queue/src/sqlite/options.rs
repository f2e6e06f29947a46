//! What a host can set about the store.

use std::time::Duration;

/// Bounds and times of a [`SqliteStore`](super::SqliteStore): plain data with defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    /// The most pending messages of an outbox. Default 1,000,000: some gigabytes of disk, days of a partition.
    pub outbox_limit: u64,
    /// The most messages in the queue. Default 1,000,000.
    pub queue_limit: u64,
    /// After a receive, how long until an unacked message is handed out again. Default 60 s.
    pub redelivery_after: Duration,
    /// How long the queue knows the ids of messages that it stored. Default 24 hours.
    pub dedupe_window: Duration,
    /// How long the outbox knows the keys of events that are published. Default 7 days: hosts redeliver webhooks for days.
    pub event_key_age: Duration,
    /// How long to wait for another process that writes to the file. Default 5 s.
    pub busy_timeout: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        SqliteOptions {
            outbox_limit: 1_000_000,
            queue_limit: 1_000_000,
            redelivery_after: Duration::from_secs(60),
            dedupe_window: Duration::from_secs(24 * 3600),
            event_key_age: Duration::from_secs(7 * 24 * 3600),
            busy_timeout: Duration::from_secs(5),
        }
    }
}
