//! What is wrong with the text of a group, and where.

use std::fmt;

/// What is wrong with the text of a group, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupError {
    /// The byte in the text at which it is.
    pub at: usize,
    /// What is wrong there.
    pub problem: String,
    text: String,
}

impl GroupError {
    pub(super) fn new(text: &str, at: usize, problem: impl Into<String>) -> Self {
        GroupError { at, problem: problem.into(), text: text.to_owned() }
    }
}

impl fmt::Display for GroupError {
    /// The problem, and below it the line of the text with a mark under the place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = self.text.get(..self.at).unwrap_or(&self.text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text[start..].lines().next().unwrap_or_default();
        let (row, column) = (before.matches('\n').count() + 1, before[start..].chars().count());
        writeln!(f, "line {row}, column {}: {}", column + 1, self.problem)?;
        writeln!(f, "  {line}")?;
        write!(f, "  {:column$}^", "")
    }
}

impl std::error::Error for GroupError {}
