//! The breaker against a slow and obvious model of it, against `failsafe`, and with many threads.

mod half_open;
mod model;
mod policies;
mod properties;
mod threads;
