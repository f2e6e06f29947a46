//! What swaps of all definitions cost the threads that evaluate meanwhile.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use netbuild_core::model::{AccountId, Timestamp};
use netbuild_core::port::{Clock, SystemClock};
use netbuild_flags::{DefinitionError, Definitions, Evaluator, FlagKey, Flags, Overrides, Subject};

use crate::flags::{Question, World};

/// How many threads evaluate.
const THREADS: usize = 4;
/// How often all flags change.
const CHANGES: u64 = 100;
/// From one change to the next.
const PERIOD: Duration = Duration::from_millis(20);
/// Nanoseconds that are counted one by one; what takes longer is counted as these.
const LONGEST: usize = 100_000;

/// Prints how long single evaluations take, in wall time, while 4 threads evaluate in turn each of the questions: without
/// changes, with 100 changes of all 200 flags, and for the reading of the clock alone that is in both.
///
/// # Errors
/// Never: the flags are valid.
///
/// # Panics
/// When a thread does.
pub fn swaps(world: &World) -> Result<(), DefinitionError> {
    println!("\nnanoseconds a counted evaluation on {THREADS} threads, the reading of the clock included");
    println!("{:<34}{:>8}{:>8}{:>8}{:>8}{:>13}", "", "p50", "p99", "p99.9", "p99.99", "evaluations");
    // Both alternate, so that what else the machine does is in both.
    let [mut clock, mut still, mut swapped] = [(); 3].map(|()| vec![0; LONGEST + 1]);
    for changes in [0..CHANGES / 2, CHANGES / 2..CHANGES] {
        add(&mut clock, during(world, changes.clone(), false, |_, _| false)?);
        let evaluate = |evaluator: &mut Evaluator, (key, subject): (&FlagKey, &Subject<'_>)| {
            evaluator.is_on(black_box(key), subject, false)
        };
        add(&mut still, during(world, changes.clone(), false, evaluate)?);
        add(&mut swapped, during(world, changes, true, evaluate)?);
    }
    for (name, counts) in
        [("the clock alone", clock), ("without changes", still), ("100 changes of 200 flags", swapped)]
    {
        let [p50, p99, p999, p9999] = [0.5, 0.99, 0.999, 0.9999].map(|share| percentile(&counts, share));
        println!("{name:<34}{p50:>8}{p99:>8}{p999:>8}{p9999:>8}{:>13}", counts.iter().sum::<u64>());
    }
    Ok(())
}

/// How often a call took how many nanoseconds, on all threads, in the time of so many changes, which are made or not.
#[expect(clippy::disallowed_methods, reason = "threads that evaluate live in real time")]
fn during(
    world: &World,
    changes: std::ops::Range<u64>,
    made: bool,
    call: impl Fn(&mut Evaluator, (&FlagKey, &Subject<'_>)) -> bool + Copy + Send,
) -> Result<Vec<u64>, DefinitionError> {
    let flags = Flags::new(Overrides::none());
    flags.publish(world.definitions.clone(), None, Timestamp::EPOCH)?;
    let (clock, done) = (SystemClock::new(), AtomicBool::new(false));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (mut evaluator, done) = (flags.evaluator(), &done);
                let keys = Question::ALL.map(|question| FlagKey::new(question.key()).expect("a valid key"));
                scope.spawn(move || {
                    let mut counts = vec![0; LONGEST + 1];
                    let mut turns = world.turns();
                    while !done.load(Ordering::Relaxed) {
                        for (key, turn) in keys.iter().zip(&mut turns) {
                            let subject = Subject::project(&world.accounts[turn], &world.projects[turn])
                                .with_account_attributes(&world.attributes[turn % 2]);
                            let start = clock.monotonic();
                            black_box(call(&mut evaluator, (key, &subject)));
                            let nanos = (clock.monotonic() - start).as_nanos();
                            counts[usize::try_from(nanos).unwrap_or(LONGEST).min(LONGEST)] += 1;
                        }
                    }
                    counts
                })
            })
            .collect();
        let published = changes.into_iter().try_for_each(|change| {
            thread::sleep(PERIOD);
            if made { flags.publish(changed(world, change), None, Timestamp::EPOCH).map(drop) } else { Ok(()) }
        });
        done.store(true, Ordering::Relaxed);
        let mut counts = vec![0; LONGEST + 1];
        for thread in threads {
            add(&mut counts, thread.join().expect("no evaluation panics"));
        }
        published.map(|()| counts)
    })
}

/// The definitions with one more account in each flag's list, so that no flag is what it was and each takes the same way.
fn changed(world: &World, change: u64) -> Definitions {
    let mut definitions = world.definitions.clone();
    let account = AccountId::new(format!("newcomer-{change:015}")).expect("a valid id");
    for definition in definitions.flags.values_mut() {
        definition.accounts.insert(account.clone());
    }
    definitions
}

fn add(counts: &mut [u64], more: Vec<u64>) {
    for (count, more) in counts.iter_mut().zip(more) {
        *count += more;
    }
}

/// The nanoseconds within which this share of all calls were done.
fn percentile(counts: &[u64], share: f64) -> usize {
    let limit = share * counts.iter().sum::<u64>() as f64;
    let mut sum = 0;
    let within = counts.iter().position(|count| {
        sum += count;
        sum as f64 >= limit
    });
    within.unwrap_or(LONGEST)
}
