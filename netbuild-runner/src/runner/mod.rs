//! x
mod fetch;
