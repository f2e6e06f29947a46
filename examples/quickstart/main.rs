//! fill
mod args;
mod builds;
mod closing;
mod secrets;
fn main() {}
