//! Tests that start a server.

mod broken;
mod conform;
mod refusals;
mod support;
mod together;
