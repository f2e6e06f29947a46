//! Who is measured, and the table of all.

use std::sync::Barrier;

use super::{Question, World};
use crate::engine::{CpuTime, Spread};

/// How many threads ask at once, at most.
const THREADS: usize = 2;

/// Asks so many times, and answers how often the flag was on.
pub type Calls = Box<dyn FnMut(usize) -> usize + Send>;

/// A name, and what each of two threads calls.
#[derive(Clone, Copy, Debug)]
pub struct Contender {
    /// The name in the table.
    pub name: &'static str,
    /// What the threads call for a question. They share what the crate means to be shared.
    pub prepare: fn(&'static World, Question) -> [Calls; THREADS],
}

/// What one contender needs for one question.
#[derive(Default)]
struct Figures {
    /// Nanoseconds of processor time a call and thread, with one and with two threads.
    nanos: [Spread; THREADS],
    /// The same over the base's, of the same round.
    ratio: [Spread; THREADS],
    /// Two threads over one, of the same round.
    doubled: Spread,
}

/// Measures all contenders, interleaved, in so many rounds of so many calls, and prints a table. The first is the base
/// that the others are held against. Figures are medians.
///
/// # Panics
/// When a contender's thread does.
pub fn compare(contenders: &[Contender], world: &'static World, rounds: usize, calls: usize) {
    println!("nanoseconds of processor time an evaluation and thread; {rounds} rounds of {calls} evaluations");
    println!(
        "{:<18}{:<30}{:>10}{:>8}{:>11}{:>8}{:>9}{:>7}",
        "flag", "", "1 thread", "x base", "2 threads", "x base", "2 over 1", "on"
    );
    for question in Question::ALL {
        let mut prepared: Vec<_> = contenders.iter().map(|contender| (contender.prepare)(world, question)).collect();
        let on: Vec<_> = prepared.iter_mut().map(|[first, _]| first(world.accounts.len())).collect();
        let mut figures: Vec<Figures> = contenders.iter().map(|_| Figures::default()).collect();
        for _ in 0..rounds {
            let mut base = [0.0; THREADS];
            for (which, (threads, figures)) in prepared.iter_mut().zip(&mut figures).enumerate() {
                let one = measure(&mut threads[..1], world.accounts.len(), calls);
                let two = measure(threads, world.accounts.len(), calls);
                for (at, nanos) in [one, two].into_iter().enumerate() {
                    if which == 0 {
                        base[at] = nanos;
                    }
                    figures.nanos[at].add(nanos);
                    figures.ratio[at].add(nanos / base[at]);
                }
                figures.doubled.add(two / one);
            }
        }
        for ((contender, figures), on) in contenders.iter().zip(&figures).zip(on) {
            let Figures { nanos: [one, two], ratio: [one_ratio, two_ratio], doubled } = figures;
            println!(
                "{:<18}{:<30}{:>10.1}{:>8.2}{:>11.1}{:>8.2}{:>9.2}{:>6.1}%",
                question.key(),
                contender.name,
                one.median(),
                one_ratio.median(),
                two.median(),
                two_ratio.median(),
                doubled.median(),
                100.0 * on as f64 / world.accounts.len() as f64,
            );
        }
    }
}

/// Nanoseconds a call and thread.
fn measure(threads: &mut [Calls], warm_up: usize, calls: usize) -> f64 {
    let start = Barrier::new(threads.len());
    let count = threads.len();
    std::thread::scope(|scope| {
        let running: Vec<_> = threads
            .iter_mut()
            .map(|thread| {
                scope.spawn(|| {
                    // Code and the data of all ids come near.
                    thread(warm_up);
                    start.wait();
                    let time = CpuTime::now();
                    std::hint::black_box(thread(calls));
                    time.elapsed_nanos() / calls as f64
                })
            })
            .collect();
        let nanos: f64 = running.into_iter().map(|thread| thread.join().expect("no call panics")).sum();
        nanos / count as f64
    })
}
