//! The breaker against a plain model, against the state machine of `failsafe`, and under many threads.

#![expect(clippy::unwrap_used, reason = "this is a test")]

#[cfg(feature = "failsafe")]
mod differential;
mod half_open;
mod model;
mod policy;
mod properties;
