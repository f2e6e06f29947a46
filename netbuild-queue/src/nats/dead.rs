//! Dead letters as they stand in their stream.

use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use async_nats::{HeaderMap, HeaderValue};
use bytes::Bytes;
use netbuild_core::model::Timestamp;
use netbuild_core::port::{DeadBody, DeadLetter, DeadLetterId, DeadReason, MAX_MESSAGE_BYTES, Message, bounded_reason};
use serde::{Deserialize, Serialize};

use super::error::NatsError;
use super::publish::Item;
use super::receipt::DeliveryName;
use super::session::{Session, failed};
use crate::dead_reason::{columns, reason};

/// The header that says why a message is here.
const WHY: &str = "Netbuild-Dead";

/// What stands in [`WHY`], as JSON: a reason may have any characters.
#[derive(Deserialize, Serialize)]
struct Why {
    kind: String,
    text: String,
    deliveries: u32,
}

/// A message on its way to the dead letters. Burying it again within the dedupe window stores it once.
pub(super) fn letter(name: DeliveryName, deliveries: u64, body: Bytes, why: &DeadReason) -> Item {
    let (kind, text) = columns(why);
    let deliveries = u32::try_from(deliveries).unwrap_or(u32::MAX);
    let why = Why { kind: kind.to_owned(), text: bounded_reason(text).to_owned(), deliveries };
    let mut headers = HeaderMap::new();
    // JSON of a struct has no line breaks, which are all that a header cannot have.
    if let Ok(Ok(value)) = serde_json::to_string(&why).map(|json| json.parse::<HeaderValue>()) {
        headers.insert(WHY, value);
    }
    let id = format!("dead-{}-{}", name.sequence, name.published.as_nanos());
    Item { id, body: body.slice(..body.len().min(MAX_MESSAGE_BYTES)), headers }
}

/// A dead letter on its way back. What it is named by was used once, and not for this.
pub(super) fn back(letter: &Stored) -> Item {
    let id = format!("again-{}", id_of(&letter.0).0);
    Item { id, body: letter.0.payload.clone(), headers: HeaderMap::new() }
}

/// A message of the stream of dead letters.
pub(super) struct Stored(StreamMessage);

impl Stored {
    pub(super) fn sequence(&self) -> u64 {
        self.0.sequence
    }

    /// What a person is shown of it.
    pub(super) fn show(&self) -> DeadLetter {
        let message = &self.0;
        let why = message.headers.get(WHY).and_then(|why| serde_json::from_str::<Why>(why.as_str()).ok());
        let deliveries = why.as_ref().map_or(0, |why| why.deliveries);
        let foreign = || DeadReason::Unreadable("it does not say why it is here: somebody else put it".to_owned());
        let reason = why.and_then(|why| reason(&why.kind, why.text)).unwrap_or_else(foreign);
        let body = match Message::from_wire(&message.payload) {
            Ok(message) => DeadBody::Message(Box::new(message)),
            Err(_) => DeadBody::Unreadable(message.payload.to_vec()),
        };
        DeadLetter { id: id_of(message), body, reason, deliveries, died_at: Some(time(message)) }
    }
}

/// Number and time: a number alone could mean another letter when the stream was made anew.
fn id_of(message: &StreamMessage) -> DeadLetterId {
    DeadLetterId(format!("{}-{}", message.sequence, message.time.unix_timestamp_nanos()))
}

fn time(message: &StreamMessage) -> Timestamp {
    let millis = message.time.unix_timestamp_nanos() / 1_000_000;
    Timestamp::from_millis(u64::try_from(millis).unwrap_or_default())
}

impl Session {
    /// At most `max` dead letters, oldest first.
    pub(super) async fn letters(&self, max: usize) -> Result<Vec<Stored>, NatsError> {
        let mut letters = Vec::new();
        let mut from = 1;
        while letters.len() < max
            && let Some(message) = self.first_from(&self.dead, from).await?
        {
            from = message.sequence + 1;
            letters.push(Stored(message));
        }
        Ok(letters)
    }

    /// The dead letter of an id; none when it is not there any more.
    pub(super) async fn letter(&self, id: &DeadLetterId) -> Result<Option<Stored>, NatsError> {
        let sequence = id.0.split_once('-').and_then(|(sequence, _)| sequence.parse::<u64>().ok());
        let Some(sequence) = sequence else { return Ok(None) };
        let found = self.first_from(&self.dead, sequence).await?;
        Ok(found.filter(|message| id_of(message) == *id).map(Stored))
    }

    /// The body of a message that was delivered; none when it is gone.
    pub(super) async fn body(&self, name: DeliveryName) -> Result<Option<Bytes>, NatsError> {
        let found = self.first_from(&self.queue, name.sequence).await?;
        Ok(found.filter(|message| message.sequence == name.sequence).map(|message| message.payload))
    }

    /// The first message of a stream from a number on, as its leader has it: others may not have it yet.
    async fn first_from(&self, stream: &Stream, sequence: u64) -> Result<Option<StreamMessage>, NatsError> {
        let subject = stream.cached_info().config.name.clone();
        match stream.raw_message_builder().sequence(sequence).next_by_subject(subject).send().await {
            Ok(message) => Ok(Some(message)),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(failed(&self.server, "read a message", &error)),
        }
    }
}
