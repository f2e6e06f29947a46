//! Tests that start a server.

mod conform;
mod support;
