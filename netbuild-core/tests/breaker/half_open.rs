//! Half-open: as many probes as were asked for, whoever asks and however many at once.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use netbuild_core::breaker::{Breaker, BreakerConfig, BreakerState, Change, FailureRatio, Permit, Recovery, Refused};

const BACK: Duration = Duration::from_secs(2);

/// Open since second 0, for a second.
fn opened(recovery: Recovery) -> Breaker {
    let trip = FailureRatio { ratio: 1.0, window: 1, least_calls: 1 };
    let breaker = Breaker::new(BreakerConfig { trip, recovery });
    let change = breaker.permit(|| Duration::ZERO).expect("a new breaker is closed").failed(|| Duration::ZERO);
    let to = BreakerState::Open { until: Duration::from_secs(1) };
    assert_eq!(change, Some(Change { from: BreakerState::Closed, to }));
    breaker
}

fn probe(breaker: &Breaker) -> Result<Permit<'_>, Refused> {
    breaker.permit(|| BACK)
}

#[test]
fn one_probe_is_admitted_and_no_second() {
    let breaker = opened(Recovery::default());
    let first = probe(&breaker).unwrap();
    assert!(first.is_probe() && first.change().is_some());
    for _ in 0..3 {
        assert_eq!(probe(&breaker).unwrap_err(), Refused { retry_after: Duration::from_millis(100) });
    }
    drop(first);
    assert_eq!(probe(&breaker).unwrap().change(), None, "the place of a dropped probe is free, and nothing changed");
}

#[test]
fn so_many_probes_as_were_asked_for_are_out_at_a_time() {
    let breaker = opened(Recovery { probes: 3, successes: 4, ..Recovery::default() });
    let mut out: Vec<Permit<'_>> = (0..3).map(|_| probe(&breaker).unwrap()).collect();
    assert!(probe(&breaker).is_err());
    assert_eq!(out.pop().unwrap().succeeded(), None, "one success of four");
    out.push(probe(&breaker).unwrap());
    assert!(probe(&breaker).is_err());
    out.pop().unwrap().succeeded();
    out.pop().unwrap().succeeded();
    let change = Change { from: BreakerState::HalfOpen, to: BreakerState::Closed };
    assert_eq!(out.pop().unwrap().succeeded(), Some(change));
}

/// However many threads ask at once, in each of many rounds one gets through.
#[test]
fn many_threads_get_one_probe_between_them() {
    const THREADS: usize = 4;
    const ROUNDS: u32 = 500;
    let breaker = opened(Recovery::default());
    let (start, end) = (Barrier::new(THREADS), Barrier::new(THREADS));
    let (admitted, half_opened) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut now = BACK;
                for round in 1..=ROUNDS {
                    start.wait();
                    let probe = breaker.permit(|| now).ok();
                    if let Some(probe) = &probe {
                        admitted.fetch_add(1, Ordering::SeqCst);
                        half_opened.fetch_add(u32::from(probe.change().is_some()), Ordering::SeqCst);
                    }
                    end.wait();
                    assert_eq!(admitted.load(Ordering::SeqCst), round);
                    if let Some(probe) = probe {
                        assert!(probe.failed(|| now).is_some());
                    }
                    now += Duration::from_secs(100);
                }
            });
        }
    });
    assert_eq!(half_opened.into_inner(), ROUNDS);
    assert_eq!(breaker.counts().trips, u64::from(ROUNDS) + 1);
    assert_eq!(breaker.counts().refused, (THREADS as u64 - 1) * u64::from(ROUNDS));
}

#[test]
fn a_late_answer_counts_as_nothing() {
    let breaker = Breaker::new(BreakerConfig {
        trip: FailureRatio { ratio: 0.5, window: 4, least_calls: 2 },
        recovery: Recovery::default(),
    });
    let mut early: Vec<Permit<'_>> = (0..6).map(|_| breaker.permit(|| Duration::ZERO).unwrap()).collect();
    for _ in 0..2 {
        let _ = early.pop().unwrap().failed(|| Duration::ZERO);
    }
    // While open, while half-open and when closed again.
    assert_eq!(early.pop().unwrap().failed(|| Duration::ZERO), None);
    let first = probe(&breaker).unwrap();
    assert_eq!(early.pop().unwrap().succeeded(), None);
    assert!(first.succeeded().is_some());
    let old_probes_time = breaker.state(BACK);
    assert_eq!(early.pop().unwrap().failed(|| BACK), None);
    assert_eq!((old_probes_time, breaker.counts().window_calls), (BreakerState::Closed, 0));
    drop(early);
}

#[test]
fn an_old_probe_counts_as_nothing_in_the_next_half_open() {
    let breaker = opened(Recovery { probes: 2, ..Recovery::default() });
    let (old, failing) = (probe(&breaker).unwrap(), probe(&breaker).unwrap());
    assert!(failing.failed(|| BACK).is_some());
    let later = BACK + Duration::from_secs(2);
    let probes = [(); 2].map(|()| breaker.permit(|| later).unwrap());
    assert_eq!(old.succeeded(), None, "it is of the last time");
    assert!(breaker.permit(|| later).is_err(), "and freed no place of this one");
    drop(probes);
}
