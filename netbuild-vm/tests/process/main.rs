//! The process executor with real processes.

#[cfg(test)]
mod bench;
#[cfg(test)]
mod cancel;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod needs_root;
#[cfg(test)]
mod runner;
#[cfg(test)]
mod start;
#[cfg(test)]
mod suite;

/// Not a test: the executor starts this binary again as the runner, with this name as its filter.
#[test]
fn test_runner() {
    if std::env::var_os(netbuild_core::model::AttemptFolder::COOKIE).is_some() {
        runner::run();
    }
}
