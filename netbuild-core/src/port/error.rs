//! The one shape in which every port fails: what to do next, by type.

use std::error::Error;

/// The error of a backend, as its client library gave it. For people and logs; no decision reads it.
pub type Source = Box<dyn Error + Send + Sync + 'static>;

/// Whether a call that failed may have had its effect. Every port error answers it.
///
/// A timeout is not a no: a caller that meets [`Effect::Unknown`] asks again under the same id and never assumes that
/// nothing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Certainly nothing happened.
    None,
    /// It may have happened.
    Unknown,
}
