//! Previews as a person reads them.

use std::fmt;

use super::{FlagPreview, Move, Moves, Preview};

/// Flag by flag:
///
/// ```text
/// pods
///   accounts: 40 move in, 0 out; on for 10 before, 50 after, of 1000
///     40 in: no rule says on -> 5% of accounts (a17, a29, a31, a58, a60, …)
/// ```
impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.flags.is_empty() {
            return f.write_str("no flag changes");
        }
        for (index, flag) in self.flags.iter().enumerate() {
            write!(f, "{}{flag}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl fmt::Display for FlagPreview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.flag)?;
        let mut looked_at = self.all().into_iter().filter(|(_, moves)| moves.of > 0);
        looked_at.try_for_each(|(what, moves)| write!(f, "\n  {what}: {moves}"))
    }
}

impl fmt::Display for Moves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Moves { of, on_before, on_after, by_rule } = self;
        let (moved_in, moved_out) = (self.moved_in(), self.moved_out());
        if by_rule.is_empty() {
            return write!(f, "nobody moves; on for {on_before} of {of}");
        }
        write!(f, "{moved_in} move in, {moved_out} out; on for {on_before} before, {on_after} after, of {of}")?;
        by_rule.iter().try_for_each(|moved| write!(f, "\n    {moved}"))
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Move { into, before, after, count, sample } = self;
        let direction = if *into { "in" } else { "out" };
        let more = if usize::try_from(*count).is_ok_and(|count| count <= sample.len()) { "" } else { ", …" };
        write!(f, "{count} {direction}: {before} -> {after} ({}{more})", sample.join(", "))
    }
}
