//! The last calls: which of them failed.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// A ring of the last calls, a bit each. Successes are recorded without a lock, failures one at a time.
///
/// While the ring is full and holds no failure, a success leaves it as it is: nothing is written.
#[derive(Debug)]
pub(super) struct Window {
    size: u64,
    /// How many calls of the ring failed. It may be one too low for a moment, while a failure is overwritten as it comes.
    failures: AtomicI64,
    next: OwnLine,
    bits: Box<[AtomicU64]>,
}

/// How many calls were recorded. On a cache line of its own: it is what callers write to beside each other.
#[derive(Debug, Default)]
#[repr(align(128))]
struct OwnLine(AtomicU64);

/// The largest ring.
const MAX: u32 = 1_024;

impl Window {
    /// A ring of `size` calls, taken as 1 to [`MAX`].
    pub(super) fn new(size: u32) -> Self {
        let size = size.clamp(1, MAX);
        let bits = (0..size.div_ceil(u64::BITS)).map(|_| AtomicU64::new(0)).collect();
        Window { size: size.into(), failures: AtomicI64::new(0), next: OwnLine::default(), bits }
    }

    /// A call succeeded.
    #[inline]
    pub(super) fn succeeded(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 || self.next.0.load(Ordering::Relaxed) < self.size {
            let (word, bit) = self.take_place();
            // Most places hold a success already, which is left alone.
            if word.load(Ordering::Relaxed) & bit != 0 && word.fetch_and(!bit, Ordering::Relaxed) & bit != 0 {
                self.failures.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// A call failed. Answers how many of how many calls did.
    pub(super) fn failed(&self) -> (u64, u64) {
        let (word, bit) = self.take_place();
        if word.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        self.counts()
    }

    /// How many of how many calls failed.
    pub(super) fn counts(&self) -> (u64, u64) {
        let failures = self.failures.load(Ordering::Relaxed).try_into().unwrap_or(0);
        (failures, self.next.0.load(Ordering::Relaxed).min(self.size))
    }

    /// Forgets all. A success that crosses it may count among the calls after it.
    pub(super) fn clear(&self) {
        for word in &self.bits {
            let failed = word.swap(0, Ordering::Relaxed).count_ones();
            self.failures.fetch_sub(failed.into(), Ordering::Relaxed);
        }
        self.next.0.store(0, Ordering::Relaxed);
    }

    fn take_place(&self) -> (&AtomicU64, u64) {
        let place = self.next.0.fetch_add(1, Ordering::Relaxed) % self.size;
        let (word, bit) = (place / u64::from(u64::BITS), place % u64::from(u64::BITS));
        (&self.bits[word as usize], 1 << bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_call_leaves_for_the_newest() {
        let window = Window::new(3);
        assert_eq!(window.failed(), (1, 1));
        window.succeeded();
        assert_eq!(window.failed(), (2, 3));
        window.succeeded();
        assert_eq!(window.counts(), (1, 3), "the first failure is gone");
        window.succeeded();
        window.succeeded();
        assert_eq!(window.counts(), (0, 3));
    }

    #[test]
    fn a_success_writes_nothing_while_all_calls_succeeded() {
        let window = Window::new(100);
        (0..1_000).for_each(|_| window.succeeded());
        assert_eq!(window.next.0.load(Ordering::Relaxed), 100);
        assert_eq!(window.failed(), (1, 100));
        window.succeeded();
        assert_eq!(window.next.0.load(Ordering::Relaxed), 102, "beside a failure its place counts");
    }

    #[test]
    fn clearing_forgets_all() {
        let window = Window::new(130);
        for _ in 0..130 {
            window.failed();
        }
        assert_eq!(window.counts(), (130, 130));
        window.clear();
        assert_eq!(window.counts(), (0, 0));
    }

    #[test]
    fn sizes_outside_are_taken_as_the_nearest_inside() {
        assert_eq!((Window::new(0).size, Window::new(u32::MAX).size), (1, 1_024));
    }

    #[test]
    fn callers_beside_each_other_leave_counts_that_agree_with_the_bits() {
        let window = Window::new(64);
        std::thread::scope(|scope| {
            for thread in 0..4_u32 {
                let window = &window;
                scope.spawn(move || {
                    for n in 0..20_000_u32 {
                        if thread == 0 && n % 3 == 0 {
                            window.failed();
                        } else {
                            window.succeeded();
                        }
                    }
                });
            }
        });
        let bits: u32 = window.bits.iter().map(|word| word.load(Ordering::Relaxed).count_ones()).sum();
        assert_eq!(window.counts(), (bits.into(), 64));
    }
}
