//! The publisher's figures, through the `metrics` facade: silent until the host installs a recorder.
//!
//! | name | kind | labels |
//! |---|---|---|
//! | `netbuild_outbox_backlog` | gauge | `publisher` |
//! | `netbuild_outbox_oldest_seconds` | gauge | `publisher` |
//! | `netbuild_publisher_breaker` | gauge: 0 closed, 1 half-open, 2 open | `publisher` |
//! | `netbuild_messages_published_total`, `netbuild_messages_drained_total` | counter | `publisher` |
//! | `netbuild_publish_failures_total` | counter | `publisher`, `effect`: none, unknown, paused, outbox |
//! | `netbuild_breaker_changes_total` | counter | `to`: closed, open, half_open |

use metrics::{counter, gauge};

use super::publisher::{PublishError, PublisherStatus};
use crate::breaker::{BreakerState, Change};
use crate::model::PublisherId;
use crate::port::{Effect, QueueError};

pub(super) fn of_status(publisher: &PublisherId, status: &PublisherStatus) {
    gauge!("netbuild_outbox_backlog", "publisher" => publisher.to_string()).set(status.backlog.count as f64);
    let age = status.oldest_age.unwrap_or_default().as_secs_f64();
    gauge!("netbuild_outbox_oldest_seconds", "publisher" => publisher.to_string()).set(age);
    let breaker = match status.breaker {
        BreakerState::Closed => 0.0,
        BreakerState::HalfOpen => 1.0,
        BreakerState::Open { .. } => 2.0,
    };
    gauge!("netbuild_publisher_breaker", "publisher" => publisher.to_string()).set(breaker);
}

pub(super) fn of_batch(publisher: &PublisherId, sent: u64, draining: bool) {
    counter!("netbuild_messages_published_total", "publisher" => publisher.to_string()).increment(sent);
    if draining {
        counter!("netbuild_messages_drained_total", "publisher" => publisher.to_string()).increment(sent);
    }
}

pub(super) fn of_failure(publisher: &PublisherId, error: &PublishError) {
    let effect = match error {
        PublishError::Outbox(_) | PublishError::Deadline(_) => "outbox",
        PublishError::Queue(QueueError::Paused { .. }) => "paused",
        PublishError::Queue(error) if error.effect() == Effect::Unknown => "unknown",
        PublishError::Queue(_) => "none",
    };
    counter!("netbuild_publish_failures_total", "publisher" => publisher.to_string(), "effect" => effect).increment(1);
}

pub(super) fn of_change(change: &Change) {
    counter!("netbuild_breaker_changes_total", "to" => change.to.as_str()).increment(1);
}
