//! What the engine asks of the allocator for queued builds: exact figures, the same on every machine. One test in its own
//! program, because the allocator counts for all threads.

use std::alloc::System;

use netbuild_benches::engine::{Builds, EngineLife};
use netbuild_core::policy::{AccountLimit, AccountLimits, Fifo, Policy};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// As many builds an account as a million builds of 10,000 accounts.
const BUILDS_AN_ACCOUNT: usize = 100;

/// Bytes held by a queued build, and allocations in its whole life.
fn cost(count: usize, policy: Box<dyn Policy>) -> (f64, f64) {
    let builds = Builds::new(count, count / BUILDS_AN_ACCOUNT).expect("valid names");
    let mut life = EngineLife::new(policy).expect("a valid name");
    let region = Region::new(GLOBAL);
    life.admit(&builds);
    let queued = region.change();
    life.drain();
    let bytes = queued.bytes_allocated - queued.bytes_deallocated;
    (bytes as f64 / count as f64, region.change().allocations as f64 / count as f64)
}

#[test]
fn a_queued_build_takes_bounded_memory_and_its_life_no_more_allocations_among_many() {
    let fifo = || Box::new(Fifo::new());
    let limit = || Box::new(AccountLimit::new(Fifo::new(), AccountLimits::each(4)));
    let fifos = (256.0, cost(2_000, fifo()), cost(64_000, fifo()));
    let limits = (256.0, cost(2_000, limit()), cost(64_000, limit()));
    for (most, few, many) in [fifos, limits] {
        assert!(many.0 <= most, "{} bytes a queued build, {most} allowed", many.0);
        assert!(many.1 <= few.1 * 1.02, "allocations a build grow: {} among few, {} among many", few.1, many.1);
    }
}
