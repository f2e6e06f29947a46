//! What makes two events one.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::model::BuildKey;
use crate::port::{EventKey, MAX_EVENT_KEY_BYTES};

/// What a part of a key keeps as it is. The separator and the sign for an absent part are encoded, so that the parts can
/// be told apart whatever stands in them.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b':');
const SEPARATOR: char = '/';
const ABSENT: &str = "~";

/// The key of an explicit rebuild: of the build that a person wants again, and the request in which they said so. A
/// repeated request is the same rebuild; another request is another one. The request is any text of the host's, for
/// example the idempotency key of its API.
///
/// It never equals the key of an event, so it is fresh however often the event came.
pub fn rebuild_key(build: &BuildKey, request: &str) -> EventKey {
    let id = build.build.to_string();
    event_key(&[Some("rebuild"), Some(build.account.as_str()), Some(build.project.as_str()), Some(&id), Some(request)])
}

/// The key of these parts. Two lists of parts have one key only when they are equal; a list too long for a key has a
/// hash in place of its text.
pub(super) fn event_key(parts: &[Option<&str>]) -> EventKey {
    let mut text = String::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            text.push(SEPARATOR);
        }
        match part {
            Some(part) => text.extend(utf8_percent_encode(part, PART)),
            None => text.push_str(ABSENT),
        }
    }
    if text.len() > MAX_EVENT_KEY_BYTES {
        // No list of parts reads like this: `~` is a part of its own or encoded.
        let hash: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
        text = format!("{ABSENT}sha256:{hash}");
    }
    EventKey(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts() -> impl Strategy<Value = Vec<Option<String>>> {
        // Texts full of what could be taken for a separator, an absent part or an escape.
        let part = prop_oneof![Just(None), "[/~%a2F:é]{0,4}".prop_map(Some), "[/x]{300,310}".prop_map(Some)];
        prop::collection::vec(part, 1..5)
    }

    fn key(parts: &[Option<String>]) -> EventKey {
        event_key(&parts.iter().map(Option::as_deref).collect::<Vec<_>>())
    }

    proptest! {
        #[test]
        fn a_key_is_bounded_and_two_lists_have_one_key_only_when_equal(a in parts(), b in parts()) {
            let (key_a, key_b) = (key(&a), key(&b));
            for key in [&key_a, &key_b] {
                prop_assert!(key.0.len() <= MAX_EVENT_KEY_BYTES);
            }
            prop_assert_eq!(key_a == key_b, a == b);
        }

        #[test]
        fn moving_a_separator_from_one_part_to_the_next_makes_another_key(a in "[/~%a]{1,4}", b in "[/~%a]{1,4}") {
            let split = [Some(a.clone()), Some(b.clone())];
            let joined = [Some(format!("{a}/{b}"))];
            let moved = [Some(format!("{a}/")), Some(b)];
            prop_assert_ne!(key(&split), key(&joined));
            prop_assert_ne!(key(&split), key(&moved));
        }
    }
}
