//! What is taken over from flagd answers as flagd does; what is not is named, with the reason and the place.
#![expect(clippy::unwrap_used, reason = "this is a test")]

mod json_logic;
mod refused;
mod same_answers;
