//! The right to make one call.

use std::mem;
use std::time::Duration;

use super::machine::Breaker;
use super::state::Change;

/// The right to make one call. Settle it with what the call said; dropped, it counts nothing and frees its place.
#[derive(Debug)]
#[must_use = "a permit that is dropped counts nothing: settle it with `succeeded` or `failed`"]
pub struct Permit<'a> {
    pub(super) breaker: &'a Breaker,
    /// The state word under which it was given.
    pub(super) word: u64,
    pub(super) is_probe: bool,
    pub(super) change: Option<Change>,
}

impl Permit<'_> {
    /// The change that giving this permit was: from open to half-open, for the first probe.
    pub fn change(&self) -> Option<Change> {
        self.change
    }

    /// Whether this is a probe of a half-open breaker.
    pub fn is_probe(&self) -> bool {
        self.is_probe
    }

    /// The call succeeded. A change is returned when that closed the breaker.
    #[inline]
    pub fn succeeded(self) -> Option<Change> {
        let change = if self.is_probe {
            self.breaker.probe_succeeded(self.word)
        } else {
            self.breaker.call_succeeded(self.word)
        };
        mem::forget(self);
        change
    }

    /// The call failed, at this time. A change is returned when that opened the breaker.
    pub fn failed(self, now: impl FnOnce() -> Duration) -> Option<Change> {
        let change = self.breaker.call_failed(self.word, self.is_probe, now);
        mem::forget(self);
        change
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            self.breaker.probe_dropped(self.word);
        }
    }
}
