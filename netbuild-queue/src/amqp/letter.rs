//! How dead letters travel: the message's bytes as they are, and what is known of it in headers.

use std::hash::{DefaultHasher, Hash, Hasher};

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use netbuild_core::model::Timestamp;
use netbuild_core::port::{DeadBody, DeadLetter, DeadLetterId, DeadReason, Message};

use super::holdings::Held;
use crate::dead_reason;

const KIND: &str = "netbuild-reason";
const TEXT: &str = "netbuild-reason-text";
const DELIVERIES: &str = "netbuild-deliveries";
const DIED_AT: &str = "netbuild-died-at";
/// The broker's own word for why it moved a message.
const BROKERS_REASON: &str = "x-first-death-reason";
/// How often the broker got a message back.
const RETURNED: &str = "x-delivery-count";

/// On disk before it is confirmed.
const PERSISTENT: u8 = 2;

/// The properties of a message on its way to its consumer.
pub(super) fn message_properties(id: &str) -> BasicProperties {
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/json".into())
        .with_message_id(id.into())
}

/// The properties of a dead letter.
pub(super) fn dead_properties(held: &Held, reason: &DeadReason, died_at: Timestamp) -> BasicProperties {
    let (kind, text) = dead_reason::columns(reason);
    let mut headers = FieldTable::default();
    headers.insert(KIND.into(), AMQPValue::LongString(kind.into()));
    headers.insert(TEXT.into(), AMQPValue::LongString(text.into()));
    headers.insert(DELIVERIES.into(), AMQPValue::LongLongInt(held.deliveries.into()));
    headers.insert(DIED_AT.into(), AMQPValue::LongLongInt(i64::try_from(died_at.as_millis()).unwrap_or(i64::MAX)));
    // A message that was accepted twice can die twice: each letter has an id of its own.
    message_properties(&format!("{:016x}", fastrand::u64(..))).with_headers(headers)
}

/// How often a message was handed out, this time included.
pub(super) fn deliveries(properties: &BasicProperties) -> u32 {
    let returned = number(properties, RETURNED).and_then(|count| u32::try_from(count).ok());
    returned.unwrap_or(0).saturating_add(1)
}

/// What a dead letter's queue holds. `most` is what the broker counts to before it moves a message itself.
pub(super) fn letter(properties: &BasicProperties, body: &[u8], most: u32) -> DeadLetter {
    let known = text(properties, KIND).and_then(|kind| dead_reason::reason(&kind, text(properties, TEXT)?));
    let reason = known.unwrap_or_else(|| match text(properties, BROKERS_REASON).as_deref() {
        Some("delivery_limit") => DeadReason::TooManyDeliveries,
        Some(other) => DeadReason::Buried(format!("moved here by the broker: {other}")),
        None => DeadReason::Buried("put here by something else than netbuild".to_owned()),
    });
    let died_at = number(properties, DIED_AT).and_then(|millis| u64::try_from(millis).ok());
    DeadLetter {
        id: id(properties, body),
        body: match Message::from_wire(body) {
            Ok(message) => DeadBody::Message(Box::new(message)),
            Err(_) => DeadBody::Unreadable(body.to_vec()),
        },
        reason,
        deliveries: number(properties, DELIVERIES).and_then(|count| u32::try_from(count).ok()).unwrap_or(most),
        died_at: died_at.map(Timestamp::from_millis),
    }
}

/// What the broker moved keeps the id that it was published with; what has none is known by its bytes.
fn id(properties: &BasicProperties, body: &[u8]) -> DeadLetterId {
    match properties.message_id() {
        Some(id) => DeadLetterId(id.to_string()),
        None => {
            let mut hasher = DefaultHasher::new();
            body.hash(&mut hasher);
            DeadLetterId(format!("bytes-{:016x}", hasher.finish()))
        }
    }
}

fn header<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a AMQPValue> {
    properties.headers().as_ref()?.inner().get(name)
}

fn text(properties: &BasicProperties, name: &str) -> Option<String> {
    match header(properties, name)? {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

/// Brokers write a number in the form that it fits into.
fn number(properties: &BasicProperties, name: &str) -> Option<i64> {
    match header(properties, name)? {
        AMQPValue::LongLongInt(number) => Some(*number),
        AMQPValue::LongInt(number) => Some((*number).into()),
        AMQPValue::LongUInt(number) => Some((*number).into()),
        AMQPValue::ShortInt(number) => Some((*number).into()),
        AMQPValue::ShortUInt(number) => Some((*number).into()),
        AMQPValue::ShortShortInt(number) => Some((*number).into()),
        AMQPValue::ShortShortUInt(number) => Some((*number).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use netbuild_core::testkit::fixtures::{build, message};

    use super::*;

    #[test]
    fn a_letter_tells_what_was_known_when_it_died() {
        let message = message("api", 1, build("acme", "site", 1));
        let held = Held { body: message.to_wire().into_bytes().into(), deliveries: 7 };
        let died_at = Timestamp::from_millis(1_234_567);
        for reason in [
            DeadReason::TooManyDeliveries,
            DeadReason::Buried("no such project".to_owned()),
            DeadReason::Unreadable("cut off".to_owned()),
        ] {
            let letter = letter(&dead_properties(&held, &reason, died_at), &held.body, 100);
            assert_eq!((letter.reason, letter.deliveries, letter.died_at), (reason, 7, Some(died_at)));
            assert_eq!(letter.body, DeadBody::Message(Box::new(message.clone())));
        }
    }

    #[test]
    fn what_the_broker_moved_tells_why() {
        let mut headers = FieldTable::default();
        headers.insert(BROKERS_REASON.into(), AMQPValue::LongString("delivery_limit".into()));
        let letter = letter(&BasicProperties::default().with_headers(headers), b"canary", 3);
        assert_eq!((letter.reason, letter.deliveries), (DeadReason::TooManyDeliveries, 3));
        assert_eq!(letter.body, DeadBody::Unreadable(b"canary".to_vec()));
        assert!(letter.id.0.starts_with("bytes-"));
    }
}
