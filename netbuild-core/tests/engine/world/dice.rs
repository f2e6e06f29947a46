//! Chance as a tape of numbers, so that proptest can shorten it and the same tape always plays the same.

/// Rolls the numbers of a tape. Where the tape is over every roll is 0, and 0 always means that nothing bad happens.
pub(crate) struct Dice {
    tape: Vec<u16>,
    at: usize,
}

impl Dice {
    pub(crate) fn new(tape: Vec<u16>) -> Self {
        Dice { tape, at: 0 }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.at >= self.tape.len()
    }

    pub(crate) fn end(&mut self) {
        self.at = self.tape.len();
    }

    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: u16) -> u16 {
        let number = self.tape.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        number % sides
    }

    /// Happens once in `sides` times.
    pub(crate) fn once_in(&mut self, sides: u16) -> bool {
        self.roll(sides) == sides - 1
    }

    /// One of these; the first is the one without trouble.
    pub(crate) fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len() as u16) as usize].clone()
    }
}
