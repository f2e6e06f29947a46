//! What a preview tells.

use crate::{FlagKey, RuleWords};

/// The most names that a [`Move`] keeps.
pub const MAX_SAMPLE: usize = 5;

/// Who would move. It prints as a person reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// By flag, in the order of the [`Change`](super::Change).
    pub flags: Vec<FlagPreview>,
}

/// Who would move for a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagPreview {
    /// The flag.
    pub flag: FlagKey,
    /// The accounts of a directory, each asked as such.
    pub accounts: Moves,
    /// The projects of a directory.
    pub projects: Moves,
    /// The builds that were recorded.
    pub builds: Moves,
}

/// Who would move, of accounts, of projects or of builds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    /// How many were looked at.
    pub of: u64,
    /// For how many it is on before the change.
    pub on_before: u64,
    /// For how many it would be on after it.
    pub on_after: u64,
    /// Those who would move, by the rules that decide before and after, in the order of the cascade before.
    pub by_rule: Vec<Move>,
}

/// Those who would move from one rule to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Whether it would be on after the change: they move in. Otherwise they move out.
    pub into: bool,
    /// The rule that decides before.
    pub before: RuleWords,
    /// The rule that would decide after.
    pub after: RuleWords,
    /// How many.
    pub count: u64,
    /// The names of the first of them, at most [`MAX_SAMPLE`].
    pub sample: Vec<String>,
}

impl Preview {
    /// Whether nobody would move.
    pub fn is_empty(&self) -> bool {
        self.flags.iter().flat_map(FlagPreview::all).all(|(_, moves)| moves.by_rule.is_empty())
    }
}

impl FlagPreview {
    /// Nobody was looked at yet.
    pub(super) fn new(flag: &FlagKey) -> Self {
        FlagPreview {
            flag: flag.clone(),
            accounts: Moves::default(),
            projects: Moves::default(),
            builds: Moves::default(),
        }
    }

    /// All it tells, each with what it is of.
    pub(super) fn all(&self) -> [(&'static str, &Moves); 3] {
        [("accounts", &self.accounts), ("projects", &self.projects), ("builds", &self.builds)]
    }
}

impl Moves {
    /// How many would move in: it is off for them before, and on after.
    pub fn moved_in(&self) -> u64 {
        self.moved(true)
    }

    /// How many would move out: it is on for them before, and off after.
    pub fn moved_out(&self) -> u64 {
        self.moved(false)
    }

    fn moved(&self, into: bool) -> u64 {
        self.by_rule.iter().filter(|moved| moved.into == into).map(|moved| moved.count).sum()
    }
}
