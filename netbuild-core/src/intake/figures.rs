//! The publisher's figures, through the `metrics` facade: silent until the host installs a recorder.
//!
//! | name | kind | labels |
//! |---|---|---|
//! | `netbuild_outbox_backlog` | gauge | `publisher` |
//! | `netbuild_outbox_oldest_seconds` | gauge | `publisher` |
//! | `netbuild_messages_published_total`, `netbuild_messages_drained_total` | counter | `publisher` |
//! | `netbuild_publish_failures_total` | counter | `publisher`, `effect`: none, unknown, paused, outbox |
//! | `netbuild_breaker_changes_total` | counter | `to`: closed, open, half_open |

use std::time::Duration;

use metrics::{counter, gauge};

use super::publisher::PublishError;
use crate::breaker::Change;
use crate::model::PublisherId;
use crate::port::{Effect, QueueError};

pub(super) fn of_backlog(publisher: &PublisherId, count: u64, oldest: Option<Duration>) {
    gauge!("netbuild_outbox_backlog", "publisher" => publisher.to_string()).set(count as f64);
    let age = oldest.unwrap_or_default().as_secs_f64();
    gauge!("netbuild_outbox_oldest_seconds", "publisher" => publisher.to_string()).set(age);
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
    counter!("netbuild_breaker_changes_total", "to" => change.to.label()).increment(1);
}
