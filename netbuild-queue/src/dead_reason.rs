//! Why a message is a dead letter, as databases keep it.

use netbuild_core::port::DeadReason;

/// Its kind and its text.
pub(crate) fn columns(reason: &DeadReason) -> (&'static str, &str) {
    match reason {
        DeadReason::Unreadable(text) => ("unreadable", text),
        DeadReason::Buried(text) => ("buried", text),
        DeadReason::TooManyDeliveries => ("deliveries", ""),
    }
}

/// The reason of a kind and a text; none of a kind that nobody wrote.
pub(crate) fn reason(kind: &str, text: String) -> Option<DeadReason> {
    match kind {
        "unreadable" => Some(DeadReason::Unreadable(text)),
        "buried" => Some(DeadReason::Buried(text)),
        "deliveries" => Some(DeadReason::TooManyDeliveries),
        _ => None,
    }
}
