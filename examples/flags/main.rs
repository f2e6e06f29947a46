//! Flags.
fn main() {}
