//! The cascade over definitions that never change again.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use netbuild_core::model::Timestamp;

use crate::bucket::{ShareOf, bucket, flag_seed, hash};
use crate::error::DefinitionError;
use crate::group::{Predicate, parse};
use crate::id_set::{Accounts, Projects};
use crate::key::Hashed;
use crate::overrides::Overrides;
use crate::rule::{Decision, GroupIndex, Rule, RuleWords};
use crate::subject::Subject;
use crate::{Definition, Definitions, FlagKey, GroupName, Percentage, Share};

/// The most flags of one snapshot.
pub const MAX_FLAGS: usize = 10_000;
/// The most groups of one snapshot.
pub const MAX_GROUPS: usize = 10_000;

/// How many rules there are that a flag may have something to say by.
const RULES: u32 = 10;

/// Definitions at a time, ready to answer: immutable, so any number of threads may ask.
///
/// # The cascade
/// The first rule that has something to say decides:
/// 1. the kill switch: off;
/// 2. the project is excluded, then the account: off;
/// 3. the override of this process: on or off;
/// 4. on for everybody; for the account; for the project; for a group; for a part of all accounts; for a part of all
///    projects;
/// 5. nothing says on: off.
///
/// A flag that is not defined answers the caller's default.
#[derive(Debug)]
pub struct Snapshot {
    version: u64,
    at: Timestamp,
    definitions: Definitions,
    groups: Vec<(GroupName, Predicate)>,
    flags: Vec<Flag>,
    by_key: HashMap<FlagKey, usize, Hashed>,
}

/// A flag, ready to answer.
#[derive(Debug)]
struct Flag {
    key: FlagKey,
    /// The rules that have something to say for anybody, a bit each, the first the lowest.
    active: u16,
    excluded_projects: Projects,
    excluded_accounts: Accounts,
    overridden: Option<bool>,
    accounts: Accounts,
    projects: Projects,
    groups: Vec<GroupIndex>,
    accounts_share: Part,
    projects_share: Part,
}

/// A part of all accounts or projects at a time.
#[derive(Clone, Copy, Debug)]
struct Part {
    percentage: Percentage,
    seed: u64,
}

impl Part {
    fn new(share: &Share, now: Timestamp, key: &FlagKey, of: ShareOf) -> Self {
        Part { percentage: share.at(now), seed: flag_seed(key, of) }
    }

    fn holds(self, id: u64) -> bool {
        self.percentage.holds(bucket(self.seed, id))
    }
}

impl Snapshot {
    /// Makes definitions ready to answer as they are at a time, with what the process overrides.
    ///
    /// # Errors
    /// [`DefinitionError`].
    pub fn new(definitions: Definitions, overrides: &Overrides, now: Timestamp) -> Result<Self, DefinitionError> {
        check(&definitions)?;
        let mut groups = Vec::with_capacity(definitions.groups.len());
        for (name, text) in &definitions.groups {
            let predicate = parse(text, &definitions.attributes)
                .map_err(|error| DefinitionError::Group { group: name.clone(), error })?;
            groups.push((name.clone(), predicate));
        }
        let mut flags = Vec::with_capacity(definitions.flags.len());
        for (key, definition) in &definitions.flags {
            flags.push(Flag::new(key, definition, &groups, overrides.get(key), now)?);
        }
        let by_key = flags.iter().enumerate().map(|(index, flag)| (flag.key.clone(), index)).collect();
        let version = version(&definitions, &flags);
        Ok(Snapshot { version, at: now, definitions, groups, flags, by_key })
    }

    /// What tells it from others: a hash of everything that could change an answer, equal on every machine. Definitions
    /// with the same groups, flags, percentages at the time and overrides have the same version, whatever time that is.
    /// Never 0.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// For which time percentages that move are taken.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// What it is made of.
    pub fn definitions(&self) -> &Definitions {
        &self.definitions
    }

    /// When an answer next changes by the time alone.
    pub fn next_change(&self) -> Option<Timestamp> {
        let shares = self.definitions.flags.values().flat_map(|flag| [&flag.accounts_share, &flag.projects_share]);
        shares.filter_map(|share| share.next_change(self.at)).min()
    }

    /// Whether the flag is on for the subject, and which rule decided; `default` when there is no such flag.
    #[inline]
    pub fn evaluate(&self, flag: &FlagKey, subject: &Subject<'_>, default: bool) -> Decision {
        self.evaluate_at(self.index(flag), subject, default)
    }

    /// Where a flag stands among [`flags`](Self::flags).
    #[inline]
    pub(crate) fn index(&self, flag: &FlagKey) -> Option<usize> {
        self.by_key.get(flag).copied()
    }

    /// What the process overrides a flag with.
    pub(crate) fn overridden(&self, flag: &FlagKey) -> Option<bool> {
        self.index(flag).and_then(|index| self.flags[index].overridden)
    }

    /// The keys of its flags, in their order.
    pub fn flags(&self) -> impl ExactSizeIterator<Item = &FlagKey> {
        self.flags.iter().map(|flag| &flag.key)
    }

    #[inline]
    pub(crate) fn evaluate_at(&self, index: Option<usize>, subject: &Subject<'_>, default: bool) -> Decision {
        let (on, rule) = match index {
            Some(index) => {
                let flag = &self.flags[index];
                // Written out, so that the compiler sees which rule is which.
                let verdict = |rule| flag.verdict(rule, &self.groups, subject);
                let off = verdict(0).or_else(|| verdict(1)).or_else(|| verdict(2)).or_else(|| verdict(3));
                let named = off.or_else(|| verdict(4)).or_else(|| verdict(5)).or_else(|| verdict(6));
                // Both shares are looked at, for whether an id is in the first is not to be guessed by a processor.
                let shared = || verdict(8).or(verdict(9)).unwrap_or((false, Rule::Nothing));
                named.or_else(|| verdict(7)).unwrap_or_else(shared)
            }
            None => (default, Rule::UnknownFlag),
        };
        Decision { on, rule, version: self.version }
    }

    /// The same as [`evaluate`](Self::evaluate), with the rules that lost against the one that decided.
    pub fn explain(&self, flag: &FlagKey, subject: &Subject<'_>, default: bool) -> Explanation {
        let decision = self.evaluate(flag, subject, default);
        let verdicts =
            |index: usize| (0..RULES).filter_map(move |rule| self.flags[index].verdict(rule, &self.groups, subject));
        let lost =
            self.index(flag).into_iter().flat_map(verdicts).skip(1).map(|(on, rule)| (on, self.words(rule))).collect();
        Explanation { flag: flag.clone(), decision, rule: self.words(decision.rule), lost }
    }

    /// A rule in words.
    pub fn words(&self, rule: Rule) -> RuleWords {
        RuleWords(match rule {
            Rule::KillSwitch => Cow::Borrowed("kill switch"),
            Rule::ExcludedProject => Cow::Borrowed("project excluded"),
            Rule::ExcludedAccount => Cow::Borrowed("account excluded"),
            Rule::Override => Cow::Borrowed("override of this process"),
            Rule::Global => Cow::Borrowed("global"),
            Rule::Account => Cow::Borrowed("account"),
            Rule::Project => Cow::Borrowed("project"),
            Rule::Group(GroupIndex(index)) => match self.groups.get(usize::from(index)) {
                Some((name, _)) => Cow::Owned(format!("group {name}")),
                None => Cow::Borrowed("group of another snapshot"),
            },
            Rule::AccountsShare(percentage) => Cow::Owned(format!("{percentage} of accounts")),
            Rule::ProjectsShare(percentage) => Cow::Owned(format!("{percentage} of projects")),
            Rule::Nothing => Cow::Borrowed("no rule says on"),
            Rule::UnknownFlag => Cow::Borrowed("unknown flag"),
            Rule::NoSnapshot => Cow::Borrowed("no snapshot yet"),
        })
    }
}

impl Flag {
    fn new(
        key: &FlagKey,
        definition: &Definition,
        groups: &[(GroupName, Predicate)],
        overridden: Option<bool>,
        now: Timestamp,
    ) -> Result<Self, DefinitionError> {
        let index = |group: &GroupName| {
            let found = groups.binary_search_by(|(name, _)| name.cmp(group)).ok();
            let index = found.and_then(|index| u16::try_from(index).ok()).map(GroupIndex);
            index.ok_or_else(|| DefinitionError::UnknownGroup { flag: key.clone(), group: group.clone() })
        };
        let accounts_share = Part::new(&definition.accounts_share, now, key, ShareOf::Accounts);
        let projects_share = Part::new(&definition.projects_share, now, key, ShareOf::Projects);
        let active = [
            definition.kill,
            !definition.excluded_projects.is_empty(),
            !definition.excluded_accounts.is_empty(),
            overridden.is_some(),
            definition.global,
            !definition.accounts.is_empty(),
            !definition.projects.is_empty(),
            !definition.groups.is_empty(),
            accounts_share.percentage != Percentage::NONE,
            projects_share.percentage != Percentage::NONE,
        ];
        Ok(Flag {
            key: key.clone(),
            active: active.iter().rev().fold(0, |bits, active| (bits << 1) | u16::from(*active)),
            excluded_projects: definition.excluded_projects.iter().collect(),
            excluded_accounts: definition.excluded_accounts.iter().collect(),
            overridden,
            accounts: definition.accounts.iter().collect(),
            projects: definition.projects.iter().collect(),
            groups: definition.groups.iter().map(index).collect::<Result<_, _>>()?,
            accounts_share,
            projects_share,
        })
    }

    /// What a rule says for the subject, by its number in the order; nothing, if it has nothing to say.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "the number is known where it is called, and nothing is left of the match"
    )]
    fn verdict(&self, rule: u32, groups: &[(GroupName, Predicate)], subject: &Subject<'_>) -> Option<(bool, Rule)> {
        if self.active & (1 << rule) == 0 {
            return None;
        }
        let off = |says: bool, rule| says.then_some((false, rule));
        let on = |says: bool, rule| says.then_some((true, rule));
        match rule {
            0 => Some((false, Rule::KillSwitch)),
            1 => off(self.excluded_projects.holds(subject), Rule::ExcludedProject),
            2 => off(self.excluded_accounts.holds(subject), Rule::ExcludedAccount),
            3 => self.overridden.map(|on| (on, Rule::Override)),
            4 => Some((true, Rule::Global)),
            5 => on(self.accounts.holds(subject), Rule::Account),
            6 => on(self.projects.holds(subject), Rule::Project),
            7 => {
                let of = |index: &&GroupIndex| groups[usize::from(index.0)].1.holds(subject);
                self.groups.iter().find(of).map(|index| (true, Rule::Group(*index)))
            }
            8 => {
                let Part { percentage, .. } = self.accounts_share;
                on(self.accounts_share.holds(subject.account_hash), Rule::AccountsShare(percentage))
            }
            _ => {
                let Part { percentage, .. } = self.projects_share;
                let holds = subject.project.is_some_and(|project| self.projects_share.holds(project.hash));
                on(holds, Rule::ProjectsShare(percentage))
            }
        }
    }
}

/// Why a flag is on or off for a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The flag.
    pub flag: FlagKey,
    /// The answer.
    pub decision: Decision,
    /// The rule that decided.
    pub rule: RuleWords,
    /// The rules that had something to say and were not asked, with what each would have said, in their order.
    pub lost: Vec<(bool, RuleWords)>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = |on: bool| if on { "on" } else { "off" };
        let Decision { on: is_on, version, .. } = self.decision;
        write!(f, "{} is {}: {} (snapshot {version:016x})", self.flag, on(is_on), self.rule)?;
        for (index, (says, rule)) in self.lost.iter().enumerate() {
            write!(f, "{}{rule} ({})", if index == 0 { "; lost: " } else { ", " }, on(*says))?;
        }
        Ok(())
    }
}

/// What can be told without reading the groups.
fn check(definitions: &Definitions) -> Result<(), DefinitionError> {
    let counts = [("flags", definitions.flags.len(), MAX_FLAGS), ("groups", definitions.groups.len(), MAX_GROUPS)];
    for (what, found, limit) in counts {
        if found > limit {
            return Err(DefinitionError::TooMany { what, found, limit });
        }
    }
    for name in definitions.attributes.keys() {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let rest = name.strip_prefix("account.").or_else(|| name.strip_prefix("project."));
        if !rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(good)) {
            return Err(DefinitionError::Attribute(name.clone()));
        }
    }
    for (flag, definition) in &definitions.flags {
        for share in [&definition.accounts_share, &definition.projects_share] {
            match share {
                Share::Ramp(ramp) if ramp.end < ramp.start => {
                    return Err(DefinitionError::Ramp { flag: flag.clone() });
                }
                Share::Steps(steps) if steps.steps.is_empty() || !steps.steps.is_sorted_by(|a, b| a < b) => {
                    return Err(DefinitionError::Steps { flag: flag.clone() });
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn version(definitions: &Definitions, flags: &[Flag]) -> u64 {
    let mut text = serde_json::to_string(&(&definitions.attributes, &definitions.groups)).unwrap_or_default();
    for flag in flags {
        // What a percentage is now counts, not where it is going.
        let (accounts, projects) = (flag.accounts_share.percentage, flag.projects_share.percentage);
        let fixed = Definition {
            description: String::new(),
            accounts_share: Share::Fixed(accounts),
            projects_share: Share::Fixed(projects),
            ..definitions.flags[&flag.key].clone()
        };
        text += &serde_json::to_string(&(&flag.key, &fixed, flag.overridden)).unwrap_or_default();
    }
    hash(&text).max(1)
}
