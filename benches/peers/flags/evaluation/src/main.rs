//! Evaluations of netbuild's flags beside other crates', in one run: `benches/peers/flags/run`.
//!
//! All answer the same six questions among 200 flags for ids of 24 bytes, on one thread and on two that share a client
//! where the crate means it to be shared. The peers get their contexts made before, count nothing unless they always do,
//! and have nothing in front of a percentage; netbuild makes its subject in the measured loop, counts, and has the whole
//! cascade in front.
//!
//! With arguments `ROUNDS CALLS`: so many rounds of so many evaluations a thread.

mod feature_flag;
mod launchdarkly;
mod open_feature;
mod unleash;

// How it is measured: the files of netbuild's own benchmarks, whose crate would bring its queues' clients along.
#[path = "../../../../src/engine/cpu_time.rs"]
mod cpu_time;
#[path = "../../../../src/flags/mod.rs"]
mod flags;
#[path = "../../../../src/engine/spread.rs"]
mod spread;

/// As the shared files know it.
mod engine {
    pub use crate::cpu_time::CpuTime;
    pub use crate::spread::Spread;
}

use flags::{Contender, World, base, compare, netbuild};

const ROUNDS: usize = 11;
const CALLS: usize = 50_000;

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let rounds = numbers.next().unwrap_or(ROUNDS);
    let calls = numbers.next().unwrap_or(CALLS);
    let world: &'static World = Box::leak(Box::new(World::new()?));
    let contenders = [
        Contender { name: "murmur3 and a lookup", prepare: base },
        Contender { name: "netbuild, counted", prepare: netbuild },
        Contender { name: "unleash-api-client", prepare: unleash::unleash },
        Contender { name: "feature-flag", prepare: feature_flag::feature_flag },
        Contender { name: "launchdarkly-server-sdk", prepare: launchdarkly::launchdarkly },
        Contender { name: "open-feature, a map", prepare: open_feature::open_feature },
    ];
    compare(&contenders, world, rounds, calls);
    Ok(())
}
