//! The engine with up to 1,000,000 queued builds of 10,000 accounts: `cargo bench -p netbuild-benches --bench engine`.
//!
//! # Time
//! *Enqueue + start* is what a queued build costs until its start is asked for: the step that admits it, and the step in
//! which it is picked, its attempt planned and asked for. *Whole life* adds the steps in which its start is answered, its
//! first heartbeat comes, and its report, which ends it. Each step is one call of `Engine::step_into`; making its effects and
//! dropping them counts, making its input does not. The figures are processor time, so other programs on the machine
//! disturb them less; ± is half the way from the best run to the worst.
//!
//! The plain fair queue beside it does the same in the same run: it queues, picks the next account's oldest build, and
//! in its *whole life* forgets it at its end. It keeps no promise besides.
//!
//! # Growth
//! Times n over times 1,000, beside what log n would allow.
//!
//! # Memory
//! What the allocator was asked for between the engine without builds and the engine with all of them queued, by build: all of the
//! engine's and the policy's structures. The `Build` itself is the caller's, who hands over a shared pointer; *with Build*
//! counts it too. *Resident* is by how much the process grew: what rounding and unused room in pages add.

use std::alloc::System;
use std::error::Error;

use netbuild_benches::engine::{Builds, EngineLife, LifeTimes, PlainFair, Spread};
use netbuild_core::policy::{AccountLimit, AccountLimits, Fifo, Policy};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const COUNTS: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
const ACCOUNTS: usize = 10_000;
const RUNS: usize = 5;

/// So many builds make a run, in lives after each other where one is smaller.
const BUILDS_A_RUN: usize = 200_000;

type MakePolicy = fn() -> Box<dyn Policy>;

const POLICIES: [(&str, MakePolicy); 2] = [
    ("Fifo", || Box::new(Fifo::new())),
    ("AccountLimit(Fifo)", || Box::new(AccountLimit::new(Fifo::new(), AccountLimits::each(4)))),
];

#[derive(Default)]
struct Figures {
    admitted: Spread,
    started: Spread,
    queue_and_start: Spread,
    whole: Spread,
    bytes: f64,
    resident: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut baseline = [0.0; 1 + POLICIES.len()];
    println!("nanoseconds and bytes a build; {RUNS} runs");
    println!(
        "{:>9}  {:<20}{:>12}{:>12}{:>18}{:>12}{:>9}{:>15}{:>8}{:>10}{:>12}",
        "builds",
        "",
        "enqueue",
        "start",
        "enqueue + start",
        "whole life",
        "x plain",
        "growth (log n)",
        "bytes",
        "resident",
        "with Build"
    );
    for count in COUNTS {
        let before = Region::new(GLOBAL);
        let builds = Builds::new(count, ACCOUNTS)?;
        let build_bytes = held(&before) / count as f64;
        let lives = (BUILDS_A_RUN / count).max(1);
        let (mut plain, mut figures) =
            ([(); 4].map(|()| Spread::default()), [(); POLICIES.len()].map(|()| Figures::default()));
        for _ in 0..RUNS {
            let [mut enqueue, mut start, mut end] = [0.0; 3];
            for _ in 0..lives {
                let times = PlainFair::run(&builds, EngineLife::SLOTS as usize);
                enqueue += times.enqueue / lives as f64;
                start += times.start / lives as f64;
                end += times.end / lives as f64;
            }
            for (spread, figure) in plain.iter_mut().zip([enqueue, start, enqueue + start, enqueue + start + end]) {
                spread.add(figure);
            }
            for ((_, policy), figures) in POLICIES.iter().zip(&mut figures) {
                measure(*policy, &builds, lives, figures)?;
            }
        }
        let log = (count as f64).ln() / (COUNTS[0] as f64).ln();
        let mut growth = |row: usize, median: f64| {
            if count == COUNTS[0] {
                baseline[row] = median;
            }
            format!("{:.2} ({log:.2})", median / baseline[row])
        };
        let [enqueue, start, both, whole] = plain;
        println!(
            "{count:>9}  {:<20}{enqueue:>12}{start:>12}{both:>18}{whole:>12}{:>9}{:>15}",
            "plain fair queue",
            "1.00",
            growth(0, both.median())
        );
        for (row, ((name, _), figures)) in POLICIES.iter().zip(&figures).enumerate() {
            let Figures { admitted, started, queue_and_start, whole, bytes, resident } = figures;
            let median = queue_and_start.median();
            println!(
                "{:>9}  {name:<20}{admitted:>12}{started:>12}{queue_and_start:>18}{whole:>12}{:>9.2}{:>15}{bytes:>8.0}{resident:>10.0}{:>12.0}",
                "",
                median / both.median(),
                growth(row + 1, median),
                bytes + build_bytes
            );
        }
    }
    Ok(())
}

fn measure(policy: MakePolicy, builds: &Builds, lives: usize, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let mut sum = LifeTimes::default();
    for _ in 0..lives {
        let mut life = EngineLife::new(policy())?;
        let (allocated, resident) = (Region::new(GLOBAL), resident_bytes());
        let admitted = life.admit(builds);
        figures.bytes = held(&allocated) / builds.0.len() as f64;
        figures.resident = figures.resident.max((resident_bytes() - resident) / builds.0.len() as f64);
        let times = life.drain();
        sum = LifeTimes {
            admitted: sum.admitted + admitted,
            started: sum.started + times.started,
            answered: sum.answered + times.answered,
            running: sum.running + times.running,
            ended: sum.ended + times.ended,
        };
    }
    let lives = lives as f64;
    figures.admitted.add(sum.admitted / lives);
    figures.started.add(sum.started / lives);
    figures.queue_and_start.add(sum.queue_and_start() / lives);
    figures.whole.add(sum.whole() / lives);
    Ok(())
}

/// What was asked of the allocator since then and not given back, in bytes.
fn held(since: &Region<'_, System>) -> f64 {
    let change = since.change();
    (change.bytes_allocated as f64) - (change.bytes_deallocated as f64)
}

/// The memory of the process, in bytes; 0 where the system does not tell.
fn resident_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) * 1024.0
}
