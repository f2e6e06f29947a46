//! For how many accounts and projects a flag is on.

use std::collections::BTreeMap;
use std::fmt;

use crate::directory::{Directory, DirectoryAccount, DirectoryError, Progress, walk};
use crate::rule::{Decision, Rule};
use crate::subject::Subject;
use crate::{FlagKey, RuleWords, Snapshot};

/// For how many accounts and projects a flag is on, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The flag.
    pub flag: FlagKey,
    /// The version of the snapshot that answered.
    pub version: u64,
    /// The accounts, each asked as such: rules about projects do not concern them.
    pub accounts: Reached,
    /// The projects of all accounts.
    pub projects: Reached,
}

/// For how many of something a flag is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// For how many it is on.
    pub on: u64,
    /// Of how many.
    pub of: u64,
    /// By the rule that decided, in the order of the cascade; those that decided nothing are left out.
    pub by_rule: Vec<DecidedBy>,
}

/// For how many a rule decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecidedBy {
    /// The rule.
    pub rule: RuleWords,
    /// What it decided.
    pub on: bool,
    /// For how many.
    pub count: u64,
}

/// Why the reach of a flag cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReachError {
    /// The snapshot has no such flag.
    #[error("there is no flag {0}: define it first")]
    UnknownFlag(FlagKey),
    /// The directory tells nothing.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// Counts for whom of a directory a flag is on in a snapshot. `progress` is told after each page.
///
/// Nothing of it counts as an exposure. It may be dropped at any point.
///
/// # Errors
/// [`ReachError`].
pub async fn reach(
    snapshot: &Snapshot,
    flag: &FlagKey,
    directory: &dyn Directory,
    progress: impl FnMut(Progress) + Send,
) -> Result<Reach, ReachError> {
    let mut tally = Tally::new(snapshot, flag)?;
    walk(directory, progress, |account| tally.add(account)).await?;
    Ok(tally.into_reach())
}

/// The same for several flags, in their order, in one walk through the directory.
///
/// # Errors
/// [`ReachError`].
pub async fn reach_all(
    snapshot: &Snapshot,
    flags: &[FlagKey],
    directory: &dyn Directory,
    progress: impl FnMut(Progress) + Send,
) -> Result<Vec<Reach>, ReachError> {
    let mut tallies = flags.iter().map(|flag| Tally::new(snapshot, flag)).collect::<Result<Vec<_>, _>>()?;
    walk(directory, progress, |account| tallies.iter_mut().for_each(|tally| tally.add(account))).await?;
    Ok(tallies.into_iter().map(Tally::into_reach).collect())
}

/// A reach that is being counted.
struct Tally<'s> {
    snapshot: &'s Snapshot,
    flag: FlagKey,
    index: usize,
    accounts: Counts,
    projects: Counts,
}

/// By rule: what it decided, and for how many.
type Counts = BTreeMap<Rule, (bool, u64)>;

impl<'s> Tally<'s> {
    fn new(snapshot: &'s Snapshot, flag: &FlagKey) -> Result<Self, ReachError> {
        let index = snapshot.index(flag).ok_or_else(|| ReachError::UnknownFlag(flag.clone()))?;
        Ok(Tally { snapshot, flag: flag.clone(), index, accounts: Counts::new(), projects: Counts::new() })
    }

    fn add(&mut self, account: &DirectoryAccount) {
        let decide = |subject: &Subject<'_>| self.snapshot.evaluate_at(Some(self.index), subject, false);
        count(&mut self.accounts, decide(&account.subject()));
        for project in account.project_subjects() {
            count(&mut self.projects, decide(&project));
        }
    }

    fn into_reach(self) -> Reach {
        let reached = |counts| Reached::new(self.snapshot, counts);
        let (accounts, projects) = (reached(self.accounts), reached(self.projects));
        Reach { flag: self.flag, version: self.snapshot.version(), accounts, projects }
    }
}

fn count(counts: &mut Counts, Decision { on, rule, .. }: Decision) {
    counts.entry(rule).or_insert((on, 0)).1 += 1;
}

impl Reached {
    fn new(snapshot: &Snapshot, counts: Counts) -> Self {
        let by_rule = counts.into_iter().map(|(rule, (on, count))| DecidedBy { rule: snapshot.words(rule), on, count });
        let by_rule: Vec<DecidedBy> = by_rule.collect();
        let sum = |on: &[bool]| by_rule.iter().filter(|by| on.contains(&by.on)).map(|by| by.count).sum();
        Reached { on: sum(&[true]), of: sum(&[true, false]), by_rule }
    }
}

/// With what decided, a line for each rule:
///
/// ```text
/// pods (snapshot e4f79f00b539085f)
///   accounts: on for 3234 of 10000
///     2500 on: group teams
///     734 on: 10% of accounts
///     6766 off: no rule says on
/// ```
impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (snapshot {:016x})", self.flag, self.version)?;
        write!(f, "\n  accounts: {}\n  projects: {}", self.accounts, self.projects)
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "on for {} of {}", self.on, self.of)?;
        self.by_rule.iter().try_for_each(|by| write!(f, "\n    {by}"))
    }
}

impl fmt::Display for DecidedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.count, if self.on { "on" } else { "off" }, self.rule)
    }
}
