//! Storing messages in a stream: what the server said to each, and what that means for the batch.

use async_nats::{HeaderMap, HeaderValue, Subject};
use bytes::Bytes;
use serde::Deserialize;
use tokio::time::Instant;

use super::pipeline::{Answer, Ask};
use super::session::Session;

/// The header of the id by which the server knows a message again.
const MESSAGE_ID: &str = "Nats-Msg-Id";

/// A message for a stream.
pub(super) struct Item {
    /// Within the dedupe window a message of the same id is confirmed and not stored again.
    pub(super) id: String,
    pub(super) body: Bytes,
    pub(super) headers: HeaderMap,
}

/// What became of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is stored; not `fresh`: it was before.
    Stored { fresh: bool },
    /// The stream is full, and it is not stored.
    Full,
    /// It is not stored, for this reason.
    Refused(String),
    /// Nobody knows.
    Unknown(String),
}

/// What becomes of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All is stored.
    Stored,
    /// Nothing new is stored: the stream is full.
    Full,
    /// Nothing new is stored, for this reason.
    Refused(String),
    /// Some may be stored, and not all.
    Unknown(String),
}

/// What the fates of its messages mean for a batch, which is published again as a whole.
pub(super) fn verdict(fates: &[Fate]) -> Verdict {
    let bad = fates.iter().find(|fate| !matches!(fate, Fate::Stored { .. }));
    let Some(bad) = bad else { return Verdict::Stored };
    let said = match bad {
        Fate::Refused(said) | Fate::Unknown(said) => said.clone(),
        Fate::Full | Fate::Stored { .. } => "the stream became full in the middle of the batch".to_owned(),
    };
    if fates.iter().any(|fate| matches!(fate, Fate::Unknown(_) | Fate::Stored { fresh: true })) {
        return Verdict::Unknown(said);
    }
    if fates.contains(&Fate::Full) { Verdict::Full } else { Verdict::Refused(said) }
}

impl Session {
    /// Stores messages, in order, and answers what became of each.
    pub(super) async fn store(&self, subject: &str, items: Vec<Item>, deadline: Instant) -> Vec<Fate> {
        let subject = Subject::from(subject);
        let ask = |Item { id, body, mut headers }: Item| {
            headers.insert(MESSAGE_ID, HeaderValue::from(id));
            Ask { subject: subject.clone(), headers: Some(headers), body }
        };
        let answers = self.ask_all(items.into_iter().map(ask).collect(), deadline).await;
        answers.iter().map(fate).collect()
    }
}

/// The server's answer to a message for a stream.
#[derive(Deserialize)]
struct PubAck {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    error: Option<ApiError>,
}

#[derive(Deserialize)]
struct ApiError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

/// The server's code for all that the store of a stream refuses.
const STORE_FAILED: u64 = 10_077;

/// Codes for what the server refuses before it does anything: no leader, no such stream, too long, no resources.
const NOTHING_DONE: [u64; 6] = [10_008, 10_009, 10_023, 10_047, 10_054, 10_059];

fn fate(answer: &Answer) -> Fate {
    let message = match answer {
        Answer::Came(message) => message,
        Answer::Missing => return Fate::Unknown("no answer from the stream".to_owned()),
        Answer::NotTaken => return Fate::Refused("nobody takes messages for the stream".to_owned()),
    };
    match serde_json::from_slice(&message.payload) {
        Ok(PubAck { error: None, seq: 1.., duplicate }) => Fate::Stored { fresh: !duplicate },
        Ok(PubAck { error: Some(error), .. }) => refused(error),
        _ => Fate::Unknown("the answer to a message cannot be read".to_owned()),
    }
}

fn refused(ApiError { err_code, description }: ApiError) -> Fate {
    // The server's words are all that tells these from a disk that failed.
    let is_full = ["maximum messages exceeded", "maximum bytes exceeded"].contains(&description.as_str());
    match err_code {
        STORE_FAILED if is_full => Fate::Full,
        code if NOTHING_DONE.contains(&code) => Fate::Refused(description),
        _ => Fate::Unknown(description),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Fate = Fate::Stored { fresh: true };
    const OLD: Fate = Fate::Stored { fresh: false };

    fn refusal() -> Fate {
        Fate::Refused("no".to_owned())
    }

    #[test]
    fn a_batch_is_answered_by_what_may_have_happened() {
        let unknown = Fate::Unknown("gone".to_owned());
        for (fates, expected) in [
            (vec![], Verdict::Stored),
            (vec![NEW, OLD], Verdict::Stored),
            (vec![OLD, Fate::Full], Verdict::Full),
            (vec![Fate::Full, refusal()], Verdict::Full),
            (vec![refusal(), OLD], Verdict::Refused("no".to_owned())),
            (vec![NEW, refusal()], Verdict::Unknown("no".to_owned())),
            (vec![unknown.clone(), refusal()], Verdict::Unknown("gone".to_owned())),
            (vec![NEW, NEW, unknown], Verdict::Unknown("gone".to_owned())),
        ] {
            assert_eq!(verdict(&fates), expected, "{fates:?}");
        }
        assert!(matches!(verdict(&[NEW, Fate::Full]), Verdict::Unknown(_)));
    }

    #[test]
    fn only_what_the_server_surely_refused_is_refused() {
        let said = |err_code, description: &str| refused(ApiError { err_code, description: description.to_owned() });
        assert_eq!(said(STORE_FAILED, "maximum messages exceeded"), Fate::Full);
        assert!(matches!(said(STORE_FAILED, "write failed: no space left on device"), Fate::Unknown(_)));
        assert!(matches!(said(10_008, "JetStream system temporarily unavailable"), Fate::Refused(_)));
        assert!(matches!(said(99_999, "something new"), Fate::Unknown(_)));
    }
}
