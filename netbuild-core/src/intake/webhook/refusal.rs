//! Why a request is no event.

use super::Label;

/// Why a request was refused: it did not come from the Git host, or is none of its events. The words are for the person
/// who reads the Git host's list of deliveries; they repeat neither a secret nor a signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The body is longer than the bound, or is announced to be.
    #[error("the body is longer than {limit} bytes")]
    TooLarge {
        /// The bound.
        limit: usize,
    },
    /// `Content-Length` is no number, or two of them differ.
    #[error("the header Content-Length is no single number")]
    Length,
    /// The body ended before its announced length.
    #[error("the body ended after {received} of {announced} bytes")]
    Truncated {
        /// What `Content-Length` said.
        announced: usize,
        /// What came.
        received: usize,
    },
    /// There is no signature or token.
    #[error("the header {header} is missing: set the webhook's secret at the Git host")]
    SignatureMissing {
        /// Where it belongs.
        header: &'static str,
    },
    /// There are two signatures or tokens, of which one may be forged.
    #[error("the header {header} is there more than once")]
    SignatureRepeated {
        /// The header.
        header: &'static str,
    },
    /// The signature is not `sha256=` and 64 hexadecimal digits.
    #[error("the header {header} is not sha256= and 64 hexadecimal digits")]
    SignatureMalformed {
        /// The header.
        header: &'static str,
    },
    /// No valid secret made this signature of this body, or the token is none of them.
    #[error("the header {header} fits no secret of this webhook, or the body was altered")]
    SignatureWrong {
        /// The header.
        header: &'static str,
    },
    /// The body is not announced as JSON. GitHub sends forms when it is told so.
    #[error("the content type is not application/json: choose application/json in the webhook's settings")]
    ContentType,
    /// The header that names the event is missing, or there is more than one.
    #[error("the header {header} is missing or there more than once")]
    EventName {
        /// The header.
        header: &'static str,
    },
    /// The body is not UTF-8, which JSON is.
    #[error("the body is not UTF-8")]
    Encoding,
    /// The body is not JSON, or not what this event holds.
    #[error("the body is not what the Git host documents for this event: {0}")]
    Payload(Label),
}

impl Refusal {
    /// The HTTP status that fits: 400, 401, 413 or 415.
    pub const fn status(&self) -> u16 {
        match self {
            Refusal::TooLarge { .. } => 413,
            Refusal::SignatureMissing { .. }
            | Refusal::SignatureRepeated { .. }
            | Refusal::SignatureMalformed { .. }
            | Refusal::SignatureWrong { .. } => 401,
            Refusal::ContentType => 415,
            Refusal::Length
            | Refusal::Truncated { .. }
            | Refusal::EventName { .. }
            | Refusal::Encoding
            | Refusal::Payload(_) => 400,
        }
    }
}
