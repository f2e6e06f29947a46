//! The word in which every call reads the state.

/// A time between two changes of state: which state, and the how manyth time. No two periods of a breaker are equal, so a
/// permit that remembers its own knows whether its answer still counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Period(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Closed,
    Open,
    HalfOpen,
}

impl Period {
    /// Of a new breaker: closed.
    pub(super) const FIRST: Period = Period(0);

    pub(super) fn from_word(word: u64) -> Self {
        Period(word)
    }

    pub(super) fn word(self) -> u64 {
        self.0
    }

    /// The one after this, in that phase.
    pub(super) fn next(self, phase: Phase) -> Self {
        Period(((self.0 >> 2) + 1) << 2 | phase as u64)
    }

    pub(super) fn is_closed(self) -> bool {
        self.phase() == Phase::Closed
    }

    pub(super) fn phase(self) -> Phase {
        match self.0 & 3 {
            0 => Phase::Closed,
            1 => Phase::Open,
            _ => Phase::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_keeps_its_phase_and_never_comes_again() {
        let mut period = Period::FIRST;
        let mut seen = std::collections::HashSet::from([period.word()]);
        for phase in [Phase::Open, Phase::HalfOpen, Phase::Open, Phase::HalfOpen, Phase::Closed].repeat(3) {
            period = period.next(phase);
            assert_eq!((period.phase(), period.is_closed()), (phase, phase == Phase::Closed));
            assert!(seen.insert(period.word()));
        }
    }
}
