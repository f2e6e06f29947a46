//! The last so many calls, and how many of them failed.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use super::config::FailureRatio;
use super::own_line::OwnLine;
use super::sync::AtomicU64;

const LARGEST: u32 = 1 << 20;

/// The results of the last calls as a ring of bits, written by many threads without a lock. A set bit is a failure.
///
/// A result takes the next place, and what lies a whole window before it leaves. While the window is full and holds no
/// failure, a success would leave it as it is, so it writes nothing.
///
/// `failures` always comes to the number of set bits: whoever turns a bit, and only that thread, counts it. It does so
/// before setting and after clearing, so in between the count is above the bits and never below.
///
/// Calls one after the other are counted exactly. Of calls at the same moment, a failure that is just leaving may still be
/// judged with the others. When a whole window of results passes a thread that was stopped within a call, a
/// failure may leave early, or late: when the ring has gone round. No count stays off.
#[derive(Debug)]
pub(super) struct Window {
    rule: FailureRatio,
    failures: AtomicU64,
    /// The place from which on results count.
    start: AtomicU64,
    ring: Box<[AtomicU64]>,
    next: OwnLine,
}

impl Window {
    pub(super) fn new(rule: FailureRatio) -> Self {
        let window = rule.window.clamp(1, LARGEST);
        let rule = FailureRatio { window, least_calls: rule.least_calls.min(window), ..rule };
        // Twice the window, so that a place is not reused until a whole window after it was left.
        let words = (u64::from(window) * 2).next_power_of_two().div_ceil(64).next_power_of_two();
        Window {
            rule,
            failures: AtomicU64::new(0),
            start: AtomicU64::new(0),
            ring: (0..words).map(|_| AtomicU64::new(0)).collect(),
            next: OwnLine::default(),
        }
    }

    pub(super) fn calls(&self) -> u64 {
        let start = self.start.load(Relaxed);
        self.next.load(Relaxed).wrapping_sub(start).min(u64::from(self.rule.window))
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Acquire)
    }

    #[inline]
    pub(super) fn succeeded(&self) {
        if self.failures() > 0 || self.calls() < u64::from(self.rule.window) {
            self.take_place();
        }
    }

    /// Counts a failure, and answers whether that is too many. Of another period, as `is_stale` tells, it counts as nothing.
    pub(super) fn failed(&self, is_stale: impl Fn() -> bool) -> bool {
        let place = self.take_place();
        self.set(place);
        // Looked at after the bit was set: either `clear` has seen the bit, or this sees why it was called.
        if is_stale() {
            self.unset(place);
            return false;
        }
        // In this order: who counted a failure had taken its place before.
        let failures = self.failures();
        let calls = self.calls();
        calls >= u64::from(self.rule.least_calls) && failures.min(calls) as f64 / calls as f64 >= self.rule.ratio
    }

    /// Forgets all results. The period that they belong to is over.
    pub(super) fn clear(&self) {
        for word in &self.ring {
            let failed = word.swap(0, AcqRel).count_ones();
            self.failures.fetch_sub(u64::from(failed), Relaxed);
        }
        self.start.store(self.next.load(Relaxed), Release);
    }

    /// The next place, after what it pushes out of the window left.
    #[inline]
    fn take_place(&self) -> u64 {
        let place = self.next.fetch_add(1, Relaxed);
        self.unset(place.wrapping_sub(u64::from(self.rule.window)));
        place
    }

    fn set(&self, place: u64) {
        let (word, bit) = self.bit(place);
        self.failures.fetch_add(1, Release);
        if word.fetch_or(bit, AcqRel) & bit != 0 {
            self.failures.fetch_sub(1, Relaxed);
        }
    }

    #[inline]
    fn unset(&self, place: u64) {
        let (word, bit) = self.bit(place);
        if word.load(Acquire) & bit != 0 && word.fetch_and(!bit, AcqRel) & bit != 0 {
            self.failures.fetch_sub(1, Relaxed);
        }
    }

    #[inline]
    fn bit(&self, place: u64) -> (&AtomicU64, u64) {
        // The ring's length is a power of two.
        let word = (place / 64) as usize & (self.ring.len() - 1);
        (&self.ring[word], 1 << (place % 64))
    }
}
