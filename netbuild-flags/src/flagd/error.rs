//! Why a document or one of its flags is not taken over.

use std::fmt;

/// Why nothing of a document is taken over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It is no JSON.
    #[error("the definitions of flagd cannot be read as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It has no object `flags`.
    #[error("flagd's definitions are an object with the flags by their keys in `flags`; there is none")]
    NoFlags,
}

/// A flag that is not taken over, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its key.
    pub flag: String,
    /// Where in the document the reason is, as a JSON pointer.
    pub at: String,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is refused for {}: {}", self.flag, self.at, self.reason)
    }
}

/// A place and what is wrong there.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) at: String,
    pub(super) reason: String,
}

impl Problem {
    pub(super) fn new(at: impl Into<String>, reason: impl Into<String>) -> Self {
        Problem { at: at.into(), reason: reason.into() }
    }
}

/// A JSON pointer one step deeper.
pub(super) fn below(at: &str, step: impl fmt::Display) -> String {
    let step = step.to_string().replace('~', "~0").replace('/', "~1");
    format!("{at}/{step}")
}
