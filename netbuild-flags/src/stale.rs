//! Flags that have done their work, or never had any: candidates to be taken out of the code.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use netbuild_core::model::Timestamp;

use crate::exposure::FlagExposure;
use crate::{Definition, FlagKey, Percentage, Share, Snapshot};

/// A flag that has done its work, or has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// The flag.
    pub flag: FlagKey,
    /// Why.
    pub reason: StaleReason,
    /// Since when.
    pub since: Timestamp,
}

/// Why a flag is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum StaleReason {
    /// It is on for everybody: globally, or for 100% of accounts or projects, and nobody is excluded.
    OnForAll,
    /// It is off for everybody: killed, or no rule could say on.
    OffForAll,
    /// Nobody asks for it.
    NotEvaluated,
}

/// What is known of flags besides their definitions.
#[derive(Clone, Copy, Debug)]
pub struct Usage<'a> {
    /// When each flag was last changed, as a store knows it. A flag that is missing is not known to be on or off for long.
    pub changed_at: &'a BTreeMap<FlagKey, Timestamp>,
    /// How often flags were evaluated: [`Exposure::report`](crate::Exposure::report).
    pub exposure: &'a [FlagExposure],
    /// Since when that was counted: when the process began. What was evaluated before that is not known.
    pub counted_since: Timestamp,
}

/// The flags of a snapshot that are stale since `long` or longer, by key, each with the first reason of [`StaleReason`]
/// that applies. A flag that this process overrides is not, nor one with a percentage that has not arrived yet, unless
/// the kill switch makes that meaningless.
pub fn stale(snapshot: &Snapshot, usage: &Usage<'_>, now: Timestamp, long: Duration) -> Vec<Stale> {
    let flags = &snapshot.definitions().flags;
    let asked = flags.iter().filter(|(flag, _)| snapshot.overridden(flag).is_none());
    let reasons = asked.flat_map(|(flag, definition)| {
        let settled = usage.settled(flag, definition, now);
        let idle = if is_moving(definition, now) { None } else { usage.idle(flag) };
        let reasons = [settled, idle.map(|since| (StaleReason::NotEvaluated, since))];
        let old = reasons.into_iter().flatten().find(|(_, since)| *since + long <= now);
        old.map(|(reason, since)| Stale { flag: flag.clone(), reason, since })
    });
    reasons.collect()
}

impl Usage<'_> {
    /// Whether it is on or off for everybody, and since when.
    fn settled(&self, flag: &FlagKey, definition: &Definition, now: Timestamp) -> Option<(StaleReason, Timestamp)> {
        let changed_at = *self.changed_at.get(flag)?;
        if definition.kill {
            return Some((StaleReason::OffForAll, changed_at));
        }
        let shares = [&definition.accounts_share, &definition.projects_share];
        let arrived = shares.map(|share| arrived(share, now));
        let [Some(accounts), Some(projects)] = arrived else { return None };
        let since = changed_at.max(accounts.since).max(projects.since);
        let percentages = [accounts.percentage, projects.percentage];
        let named = !(definition.accounts.is_empty() && definition.projects.is_empty() && definition.groups.is_empty());
        let excluded = !(definition.excluded_accounts.is_empty() && definition.excluded_projects.is_empty());
        if !excluded && (definition.global || percentages.contains(&Percentage::ALL)) {
            Some((StaleReason::OnForAll, since))
        } else if !definition.global && !named && percentages == [Percentage::NONE; 2] {
            Some((StaleReason::OffForAll, since))
        } else {
            None
        }
    }

    /// Since when nobody asks for it, as far as is known.
    fn idle(&self, flag: &FlagKey) -> Option<Timestamp> {
        let exposure = self.exposure.iter().find(|exposure| exposure.flag == *flag);
        match exposure {
            Some(FlagExposure { last: Some(last), .. }) => Some(*last),
            // It was evaluated, and nobody observed when.
            Some(FlagExposure { on, off, .. }) if on + off > 0 => None,
            _ => Some(self.changed_at.get(flag).map_or(self.counted_since, |changed| self.counted_since.max(*changed))),
        }
    }
}

/// A percentage that moves no more.
struct Arrived {
    percentage: Percentage,
    since: Timestamp,
}

fn is_moving(definition: &Definition, now: Timestamp) -> bool {
    [&definition.accounts_share, &definition.projects_share].iter().any(|share| arrived(share, now).is_none())
}

/// Where a share stands for good; `None` while it moves.
fn arrived(share: &Share, now: Timestamp) -> Option<Arrived> {
    match share {
        Share::Fixed(percentage) => Some(Arrived { percentage: *percentage, since: Timestamp::EPOCH }),
        Share::Ramp(ramp) => (now >= ramp.end).then_some(Arrived { percentage: ramp.to, since: ramp.end }),
        Share::Steps(steps) => steps.is_done().then(|| Arrived { percentage: steps.now(), since: steps.since }),
    }
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} since {}", self.flag, self.reason, self.since)
    }
}

impl fmt::Display for StaleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StaleReason::OnForAll => "is on for everybody",
            StaleReason::OffForAll => "is off for everybody",
            StaleReason::NotEvaluated => "was not evaluated",
        })
    }
}
