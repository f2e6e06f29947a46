//! Tests that start servers.

mod broken;
mod cluster;
mod conform;
mod needs_root;
mod refusals;
mod support;
