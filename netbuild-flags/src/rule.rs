//! The rules of the cascade, and what one of them decided.

use crate::Percentage;

/// A rule of the cascade. In the order in which they are asked: the first that has something to say decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// The kill switch: off.
    KillSwitch,
    /// The project is excluded: off.
    ExcludedProject,
    /// The account is excluded: off.
    ExcludedAccount,
    /// The environment of this process says on or off.
    Override,
    /// On for everybody.
    Global,
    /// On for the account.
    Account,
    /// On for the project.
    Project,
    /// On for a group.
    Group(GroupIndex),
    /// On for this part of all accounts, in which the account is.
    AccountsShare(Percentage),
    /// On for this part of all projects, in which the project is.
    ProjectsShare(Percentage),
    /// No rule says on: off.
    Nothing,
    /// The snapshot has no such flag: the caller's default.
    UnknownFlag,
    /// There is no snapshot yet: the caller's default.
    NoSnapshot,
}

/// A group within a snapshot, which [names it](crate::Snapshot::words).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupIndex(pub(crate) u16);

/// The answer for one flag and subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Decision {
    /// Whether the flag is on.
    pub on: bool,
    /// The rule that decided.
    pub rule: Rule,
    /// The [version](crate::Snapshot::version) of the snapshot that answered; 0 when there is none.
    pub version: u64,
}

/// A rule in words, with its group named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleWords(pub(crate) std::borrow::Cow<'static, str>);

impl RuleWords {
    /// As a route keeps it.
    pub fn into_cow(self) -> std::borrow::Cow<'static, str> {
        self.0
    }
}

impl std::fmt::Display for RuleWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
