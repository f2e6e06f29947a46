//! Evaluations of flags among 200, on one thread and on two: `cargo bench -p netbuild-benches --bench flags`.
//!
//! The base is the least that a sticky percentage takes: one murmur3 (32 bits) of a 24-byte id and one lookup of a key of 16
//! bytes in a `HashMap` of the standard library. netbuild's figures include making the subject and counting the exposure.
//! The rounds are interleaved, the figures medians of processor time; *x base* is over the base in the same round and on as
//! many threads. Beside other crates: `benches/peers/flags/run`. After them, how long single evaluations take while all
//! definitions are swapped again and again, and while they are not.
//!
//! With arguments `ROUNDS CALLS`: so many rounds of so many evaluations a thread.

use netbuild_benches::flags::{Contender, World, base, compare, netbuild};
use netbuild_benches::swaps::swaps;

const ROUNDS: usize = 41;
const CALLS: usize = 50_000;

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    // cargo hands `--bench` to every benchmark.
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let rounds = numbers.next().unwrap_or(ROUNDS);
    let calls = numbers.next().unwrap_or(CALLS);
    let world: &'static World = Box::leak(Box::new(World::new()?));
    let contenders = [
        Contender { name: "murmur3 and a lookup", prepare: base },
        Contender { name: "netbuild, counted", prepare: netbuild },
    ];
    compare(&contenders, world, rounds, calls);
    Ok(swaps(world)?)
}
