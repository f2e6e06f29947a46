//! A call through a closed circuit breaker, on one thread and on two that share it: `cargo bench -p netbuild-benches --bench breaker`.
//!
//! A call does nothing; it asks, and says that it succeeded, or, where *1 of 100 fails*, that it failed, which opens none
//! of the breakers. *Raw* is the least that a breaker with a shared count could do: an atomic load and an addition that all
//! threads share. The figures are processor time by call and thread, so that other programs on the machine disturb them
//! less; ± is half the way from the best run to the worst. *x raw* is over raw in the same round and on as many threads,
//! the median of the rounds.
//!
//! With arguments `ROUNDS CALLS`: so many rounds of so many calls a thread.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use failsafe::{CircuitBreaker, backoff, failure_policy};
use netbuild_benches::engine::{CpuTime, Spread};
use netbuild_core::breaker::{Breaker, BreakerConfig, FailsafePolicy, FailureRatio, Recovery};
use netbuild_core::port::{Clock, SystemClock};
use recloser::Recloser;
use tower::{Service, ServiceExt, service_fn};
use tower_resilience_circuitbreaker::CircuitBreakerLayer;

const ROUNDS: usize = 9;
const CALLS: u64 = 2_000_000;

/// All ratio rules look at so many calls.
const WINDOW: u32 = 100;
const RATIO: f64 = 0.3;
const CONSECUTIVE: u32 = 5;

/// Makes so many calls, of which every one in so many fails; 0 is none.
type Calls = Box<dyn Fn(u64, u64) + Sync>;

fn main() {
    // cargo hands `--bench` to every benchmark.
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let rounds = numbers.next().map_or(ROUNDS, |rounds: u64| rounds as usize);
    let calls = numbers.next().unwrap_or(CALLS);
    println!("nanoseconds a call; {rounds} rounds of {calls} calls a thread");
    println!("{:<34}{:<16}{:>12}{:>8}{:>14}{:>8}", "", "", "1 thread", "x raw", "2 threads", "x raw");
    for (condition, one_in) in [("none fails", 0), ("1 of 100 fails", 100)] {
        let contenders = contenders();
        let mut figures = vec![<[[Spread; 2]; 2]>::default(); contenders.len()];
        for _ in 0..rounds {
            for (at, threads) in [1, 2].into_iter().enumerate() {
                let mut raw = 0.0;
                for ((_, make), figures) in contenders.iter().zip(&mut figures) {
                    let nanos = measure(&make(), threads, calls, one_in);
                    if raw == 0.0 {
                        raw = nanos;
                    }
                    figures[at][0].add(nanos);
                    figures[at][1].add(nanos / raw);
                }
            }
        }
        for ((name, _), [[one, one_raw], [two, two_raw]]) in contenders.iter().zip(&figures) {
            println!("{name:<34}{condition:<16}{one:>12}{:>8.2}{two:>14}{:>8.2}", one_raw.median(), two_raw.median());
        }
    }
}

/// The first is what the others are held against.
type Contender = (&'static str, fn() -> Calls);

fn contenders() -> Vec<Contender> {
    vec![
        ("raw: load and shared addition", raw),
        ("netbuild, failure ratio", netbuild_ratio),
        ("netbuild, failsafe's consecutive", netbuild_failsafe),
        ("recloser, error rate", recloser),
        ("failsafe, consecutive", failsafe_consecutive),
        ("failsafe, success rate", failsafe_success_rate),
        ("tower-resilience, failure rate", tower_resilience),
    ]
}

fn measure(make_calls: &Calls, threads: usize, calls: u64, one_in: u64) -> f64 {
    // Windows fill, and code and data come near.
    make_calls(u64::from(WINDOW) * 10, one_in);
    let start = Barrier::new(threads);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    let time = CpuTime::now();
                    make_calls(calls, one_in);
                    time.elapsed_nanos() / calls as f64
                })
            })
            .collect();
        let nanos: f64 = running.into_iter().map(|thread| thread.join().expect("no call panics")).sum();
        nanos / threads as f64
    })
}

/// Calls one after the other, each told whether it succeeds.
fn each(calls: u64, one_in: u64, mut call: impl FnMut(bool)) {
    for n in 1..=calls {
        call(black_box(one_in == 0 || !n.is_multiple_of(one_in)));
    }
}

fn raw() -> Calls {
    let (open, count) = (AtomicBool::new(false), AtomicU64::new(0));
    Box::new(move |calls, one_in| {
        each(calls, one_in, |ok| {
            if !open.load(Ordering::Acquire) && ok {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    })
}

fn netbuild(breaker: Breaker) -> Calls {
    let clock = SystemClock::new();
    Box::new(move |calls, one_in| {
        each(calls, one_in, |ok| {
            let permit = breaker.permit(|| clock.monotonic()).expect("it stays closed");
            let change = if ok { permit.succeeded() } else { permit.failed(|| clock.monotonic()) };
            assert!(black_box(change).is_none());
        });
    })
}

fn netbuild_ratio() -> Calls {
    let trip = FailureRatio { ratio: RATIO, window: WINDOW, least_calls: WINDOW };
    netbuild(Breaker::new(BreakerConfig { trip, recovery: Recovery::default() }))
}

fn netbuild_failsafe() -> Calls {
    let policy = failure_policy::consecutive_failures(CONSECUTIVE, open_time());
    netbuild(Breaker::with_policy(FailsafePolicy::new(policy), Recovery::default()))
}

fn open_time() -> backoff::Constant {
    backoff::constant(Duration::from_secs(10))
}

fn recloser() -> Calls {
    let breaker = Recloser::custom().error_rate(RATIO as f32).closed_len(WINDOW as usize).build();
    Box::new(move |calls, one_in| {
        each(calls, one_in, |ok| assert_eq!(breaker.call(|| answer(ok)).is_ok(), ok));
    })
}

fn failsafe_consecutive() -> Calls {
    failsafe_with(
        failsafe::Config::new().failure_policy(failure_policy::consecutive_failures(CONSECUTIVE, open_time())).build(),
    )
}

fn failsafe_success_rate() -> Calls {
    let window = Duration::from_secs(30);
    let policy = failure_policy::success_rate_over_time_window(1.0 - RATIO, WINDOW, window, open_time());
    failsafe_with(failsafe::Config::new().failure_policy(policy).build())
}

fn failsafe_with(breaker: impl CircuitBreaker + Sync + 'static) -> Calls {
    Box::new(move |calls, one_in| {
        each(calls, one_in, |ok| assert_eq!(breaker.call(|| answer(ok)).is_ok(), ok));
    })
}

/// A service, so each thread has a clone, which shares the state, and a runtime to wait for its lock.
fn tower_resilience() -> Calls {
    let layer = CircuitBreakerLayer::builder()
        .failure_rate_threshold(RATIO)
        .sliding_window_size(WINDOW as usize)
        .minimum_number_of_calls(WINDOW as usize)
        .build()
        .expect("a valid configuration");
    let shared = layer.layer_fn(service_fn(|ok: bool| async move { answer(ok) }));
    Box::new(move |calls, one_in| {
        let mut service = shared.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            for n in 1..=calls {
                let ok = black_box(one_in == 0 || !n.is_multiple_of(one_in));
                let called = service.ready().await.expect("it stays closed").call(ok).await;
                assert_eq!(called.is_ok(), ok);
            }
        });
    })
}

fn answer(ok: bool) -> Result<(), ()> {
    if ok { Ok(()) } else { Err(()) }
}
