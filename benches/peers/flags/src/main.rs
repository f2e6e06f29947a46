//! Evaluations of netbuild's flags beside other crates', in one run.

// How it is measured: the files of netbuild's own benchmarks, whose crate would bring its queues' clients along.
#[path = "../../../src/engine/cpu_time.rs"]
mod cpu_time;
#[path = "../../../src/flags/mod.rs"]
mod flags;
#[path = "../../../src/engine/spread.rs"]
mod spread;

/// As the shared files know it.
mod engine {
    pub use crate::cpu_time::CpuTime;
    pub use crate::spread::Spread;
}

use flags::{Contender, World, base, compare, netbuild};

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let rounds = numbers.next().unwrap_or(41);
    let calls = numbers.next().unwrap_or(50_000);
    let world: &'static World = Box::leak(Box::new(World::new()?));
    let contenders = [
        Contender { name: "murmur3 and a lookup", prepare: base },
        Contender { name: "netbuild, counted", prepare: netbuild },
    ];
    compare(&contenders, world, rounds, calls);
    Ok(())
}
