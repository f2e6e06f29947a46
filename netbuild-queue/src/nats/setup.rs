//! Which settings keep the promises: of what is made, and of what is there already.

use async_nats::jetstream::consumer::{self, AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::stream::{self, DiscardPolicy, RetentionPolicy, StorageType};
use netbuild_core::port::MAX_MESSAGE_BYTES;

use super::options::NatsOptions;

/// The name of the one consumer.
pub(super) const CONSUMER: &str = "netbuild";

/// What a message may have beyond its body: its id, and what a dead letter says about itself.
pub(super) const MAX_HEADER_BYTES: usize = 8 << 10;

/// The oldest server that keeps its streams when it is killed.
const OLDEST: [u64; 3] = [2, 10, 23];

/// The stream of messages.
pub(super) fn queue(options: &NatsOptions) -> stream::Config {
    stream::Config {
        name: options.stream.clone(),
        subjects: vec![options.stream.clone()],
        retention: RetentionPolicy::WorkQueue,
        max_messages: i64::try_from(options.queue_limit).unwrap_or(i64::MAX),
        // What somebody else publishes here must fit into a dead letter.
        max_message_size: i32::try_from(MAX_MESSAGE_BYTES + MAX_HEADER_BYTES / 2).unwrap_or(i32::MAX),
        duplicate_window: options.dedupe_window,
        ..both(options)
    }
}

/// The stream of dead letters. A person empties it, so it has no bound.
pub(super) fn dead(options: &NatsOptions) -> stream::Config {
    let name = options.dead_stream();
    stream::Config {
        subjects: vec![name.clone()],
        name,
        retention: RetentionPolicy::Limits,
        duplicate_window: options.dedupe_window,
        ..both(options)
    }
}

fn both(options: &NatsOptions) -> stream::Config {
    stream::Config {
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        max_messages: -1,
        max_bytes: -1,
        max_messages_per_subject: -1,
        num_replicas: options.replicas,
        ..stream::Config::default()
    }
}

/// The consumer that all receivers share. What is delivered too often is judged by the queue: the server would keep such a
/// message and hand it out to nobody.
pub(super) fn consumer(options: &NatsOptions) -> pull::Config {
    pull::Config {
        durable_name: Some(CONSUMER.to_owned()),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: options.redelivery_after,
        max_deliver: -1,
        max_ack_pending: -1,
        ..pull::Config::default()
    }
}

/// A setting that cannot keep the promises: its name, what it is, what it must be.
pub(super) type Misfit = (&'static str, String, String);

/// The first setting of a stream that cannot do what `wanted` was made for.
pub(super) fn misfit_of_stream(found: &stream::Config, wanted: &stream::Config) -> Option<Misfit> {
    let is = |setting, fits: bool, found: String, wanted: String| (!fits).then_some((setting, found, wanted));
    let no = |setting, found: bool| is(setting, !found, "true".to_owned(), "false".to_owned());
    let none = |setting, found: i64| is(setting, found <= 0, found.to_string(), "no bound".to_owned());
    let same = |setting, found: String, wanted: String| is(setting, found == wanted, found, wanted);
    let size = i64::from(found.max_message_size);
    let needed = i64::try_from(MAX_MESSAGE_BYTES + MAX_HEADER_BYTES / 2).unwrap_or(i64::MAX);
    same("storage", format!("{:?}", found.storage), format!("{:?}", wanted.storage))
        .or_else(|| same("retention", format!("{:?}", found.retention), format!("{:?}", wanted.retention)))
        .or_else(|| same("discard", format!("{:?}", found.discard), format!("{:?}", wanted.discard)))
        .or_else(|| same("subjects", found.subjects.join(" "), wanted.subjects.join(" ")))
        .or_else(|| is("max_age", found.max_age.is_zero(), format!("{:?}", found.max_age), "0".to_owned()))
        .or_else(|| none("max_msgs_per_subject", found.max_messages_per_subject))
        .or_else(|| is("max_msg_size", size <= 0 || size >= needed, size.to_string(), format!("{needed} or more")))
        .or_else(|| is("duplicate_window", !found.duplicate_window.is_zero(), "0".to_owned(), "one".to_owned()))
        .or_else(|| {
            let (found, wanted) = (found.num_replicas, wanted.num_replicas);
            is("num_replicas", found >= wanted, found.to_string(), format!("{wanted} or more"))
        })
        .or_else(|| no("no_ack", found.no_ack))
        .or_else(|| no("sealed", found.sealed))
        .or_else(|| no("deny_delete", found.deny_delete))
        .or_else(|| no("allow_rollup_hdrs", found.allow_rollup))
        .or_else(|| no("mirror", found.mirror.is_some()))
        .or_else(|| no("subject_transform", found.subject_transform.is_some()))
}

/// The first setting of a consumer that cannot keep the promises.
pub(super) fn misfit_of_consumer(found: &consumer::Config) -> Option<Misfit> {
    let is = |setting, fits: bool, found: String, wanted: &str| (!fits).then(|| (setting, found, wanted.to_owned()));
    let all = found.deliver_policy == DeliverPolicy::All;
    let pushes = found.deliver_subject.clone().unwrap_or_default();
    let filter = [found.filter_subjects.join(" "), found.filter_subject.clone()].concat();
    let batch = found.max_batch;
    is("ack_policy", found.ack_policy == AckPolicy::Explicit, format!("{:?}", found.ack_policy), "explicit")
        .or_else(|| is("deliver_policy", all, format!("{:?}", found.deliver_policy), "all"))
        .or_else(|| is("deliver_subject", pushes.is_empty(), pushes, "none (a pull consumer)"))
        .or_else(|| is("max_deliver", found.max_deliver <= 0, found.max_deliver.to_string(), "no bound"))
        .or_else(|| is("backoff", found.backoff.is_empty(), format!("{:?}", found.backoff), "none"))
        .or_else(|| is("filter_subject", filter.is_empty(), filter, "none"))
        .or_else(|| is("headers_only", !found.headers_only, "true".to_owned(), "false"))
        .or_else(|| is("max_batch", batch <= 0, batch.to_string(), "no bound"))
        .or_else(|| is("max_bytes", found.max_bytes <= 0, found.max_bytes.to_string(), "no bound"))
        .or_else(|| is("mem_storage", !found.memory_storage, "true".to_owned(), "false"))
}

/// Whether a server of this version loses its streams when it is killed, or is too old to be known.
pub(super) fn is_too_old(version: &str) -> bool {
    let numbers = version.split(['.', '-', '+']).map_while(|part| part.parse::<u64>().ok());
    numbers.take(3).collect::<Vec<_>>() < OLDEST.to_vec()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A setting, and what makes it unfit.
    type Change<C> = (&'static str, fn(&mut C));

    #[test]
    fn what_is_made_fits() {
        let options = NatsOptions::default();
        for config in [queue(&options), dead(&options)] {
            assert_eq!(misfit_of_stream(&config, &config), None);
        }
        // Bounds and windows of what is there are its own.
        let other = stream::Config { max_messages: 5, duplicate_window: Duration::from_secs(1), ..queue(&options) };
        assert_eq!(misfit_of_stream(&other, &queue(&options)), None);
    }

    #[test]
    fn a_setting_that_loses_messages_is_named() {
        let wanted = queue(&NatsOptions { replicas: 3, ..NatsOptions::default() });
        let broken: [Change<stream::Config>; 14] = [
            ("storage", |config| config.storage = StorageType::Memory),
            ("retention", |config| config.retention = RetentionPolicy::Limits),
            ("discard", |config| config.discard = DiscardPolicy::Old),
            ("subjects", |config| config.subjects.push("more".to_owned())),
            ("max_age", |config| config.max_age = Duration::from_secs(1)),
            ("max_msgs_per_subject", |config| config.max_messages_per_subject = 1),
            ("max_msg_size", |config| config.max_message_size = 1_000),
            ("duplicate_window", |config| config.duplicate_window = Duration::ZERO),
            ("num_replicas", |config| config.num_replicas = 1),
            ("no_ack", |config| config.no_ack = true),
            ("sealed", |config| config.sealed = true),
            ("deny_delete", |config| config.deny_delete = true),
            ("allow_rollup_hdrs", |config| config.allow_rollup = true),
            ("mirror", |config| config.mirror = Some(stream::Source::default())),
        ];
        for (setting, change) in broken {
            let mut found = wanted.clone();
            change(&mut found);
            assert_eq!(misfit_of_stream(&found, &wanted).map(|misfit| misfit.0), Some(setting));
        }
    }

    #[test]
    fn a_setting_that_loses_deliveries_is_named() {
        let fine = consumer::Config { ack_policy: AckPolicy::Explicit, ..consumer::Config::default() };
        assert_eq!(misfit_of_consumer(&fine), None);
        let broken: [Change<consumer::Config>; 8] = [
            ("ack_policy", |config| config.ack_policy = AckPolicy::All),
            ("deliver_policy", |config| config.deliver_policy = DeliverPolicy::New),
            ("deliver_subject", |config| config.deliver_subject = Some("push".to_owned())),
            ("max_deliver", |config| config.max_deliver = 5),
            ("backoff", |config| config.backoff = vec![Duration::from_secs(1)]),
            ("filter_subject", |config| config.filter_subject = "some".to_owned()),
            ("headers_only", |config| config.headers_only = true),
            ("mem_storage", |config| config.memory_storage = true),
        ];
        for (setting, change) in broken {
            let mut found = fine.clone();
            change(&mut found);
            assert_eq!(misfit_of_consumer(&found).map(|misfit| misfit.0), Some(setting));
        }
    }

    #[test]
    fn servers_that_lose_streams_are_too_old() {
        for old in ["2.9.10", "2.10.22", "1.99.99", "2.10", "", "unknown"] {
            assert!(is_too_old(old), "{old}");
        }
        for new in ["2.10.23", "2.10.27", "2.11.0", "2.14.0-preview.1", "3.0.0", "2.10.27-binary"] {
            assert!(!is_too_old(new), "{new}");
        }
    }
}
