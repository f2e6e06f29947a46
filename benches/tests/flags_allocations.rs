//! Evaluations of flags ask nothing of the allocator. One test in its own program, because the allocator counts for all
//! threads.

use std::alloc::System;

use netbuild_benches::flags::{Question, World, netbuild};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const EVALUATIONS: usize = 10_000;

#[test]
fn evaluations_that_are_counted_allocate_nothing() {
    let world: &'static World = Box::leak(Box::new(World::new().expect("valid names")));
    for question in Question::ALL {
        let [mut calls, _] = netbuild(world, question);
        // The first evaluation makes the counters of a snapshot ready. All others are new to them, or come again.
        calls(1);
        let region = Region::new(GLOBAL);
        let on = calls(EVALUATIONS);
        let change = region.change();
        assert_eq!(
            (change.allocations, change.reallocations, change.deallocations),
            (0, 0, 0),
            "{question:?}, on {on} times"
        );
    }
}
