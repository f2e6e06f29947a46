//! Tests that start a broker.

mod conform;
mod faults;
mod queues;
mod support;
