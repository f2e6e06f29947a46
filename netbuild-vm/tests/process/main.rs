//! The process executor with real processes.

mod bench;
mod cancel;
mod crash;
mod ends;
mod runner;
mod start;

/// Not a test: the executor starts this binary again as the runner, with this name as its filter.
#[test]
fn test_runner() {
    if std::env::var_os(netbuild_core::model::AttemptFolder::COOKIE).is_some() {
        runner::run();
    }
}
