//! The cascade: its order, its percentages, and that explanations agree with evaluations.

#![expect(clippy::unwrap_used, reason = "this is a test")]

mod percentages;
mod properties;
mod support;
mod table;
mod vectors;
