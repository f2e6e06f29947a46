//! Tests that start servers.

mod conform;
mod support;
