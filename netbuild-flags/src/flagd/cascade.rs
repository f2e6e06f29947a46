//! A list of conditions, of which the first that holds decides, as the cascade.
//!
//! The cascade has an order of its own: exclusions beat everything that says on. So a list fits where its exclusions
//! come first, or do not meet what says on before them.

use netbuild_core::model::AccountId;

use super::condition::Condition;
use crate::{Definition, ProjectOf};

/// Conditions with their outcomes, and the outcome where none holds.
#[derive(Debug)]
pub(super) struct Choices {
    pub(super) choices: Vec<(Condition, bool)>,
    pub(super) otherwise: bool,
}

/// A flag, but for its groups: these are conditions still.
#[derive(Debug, Default)]
pub(super) struct Fitted {
    pub(super) definition: Definition,
    pub(super) groups: Vec<Condition>,
    /// What turns groups off that come later.
    barred: Vec<Condition>,
}

const MIXED: &str = "a condition over both accounts (or projects) and attributes has no place in the cascade";
const PROJECT_ALONE: &str = "a project is told by its account and its name: compare both, joined by `and`";
const LATE_EXCLUSION: &str = "an exclusion beats every rule that says on, and here one of these comes before it";
const BARRED_IDS: &str =
    "a group is turned off before accounts or projects are turned on, which in the cascade it cannot";

/// Fits the list into the cascade, or tells why it does not.
pub(super) fn fit(list: Choices) -> Result<Fitted, &'static str> {
    let Choices { mut choices, mut otherwise } = list;
    if let Some(first) = choices.iter().position(|(condition, _)| *condition == Condition::Always(true)) {
        otherwise = choices[first].1;
        choices.truncate(first);
    }
    choices.retain(|(condition, _)| *condition != Condition::Always(false));
    while choices.last().is_some_and(|(_, on)| *on == otherwise) {
        choices.pop();
    }
    // The last one is also told by its opposite, because what follows it is one outcome for all.
    if let Some((last, on)) = choices.pop() {
        let (before, last) = without_negated_ids(last);
        if !before.is_empty() {
            choices.push((Condition::any(before), otherwise));
        }
        if last == Condition::Always(true) {
            otherwise = on;
        } else {
            choices.push((last, on));
        }
    }
    let mut fitted = Fitted::default();
    for (condition, on) in choices {
        fitted.add(condition, on)?;
    }
    fitted.close(otherwise);
    Ok(fitted)
}

/// Takes `not` of accounts and projects out of a conjunction: they decide before what is left of it.
fn without_negated_ids(condition: Condition) -> (Vec<Condition>, Condition) {
    let parts = match condition {
        Condition::All(parts) => parts,
        Condition::Any(parts) if parts.iter().any(Condition::is_of_attributes) => {
            return (vec![], Condition::Any(parts));
        }
        // `not (a and b)` over ids arrives as a disjunction of negations.
        Condition::Any(parts) if parts.iter().all(|part| matches!(part, Condition::Not(_))) => {
            return (vec![Condition::Any(parts).negated()], Condition::Always(true));
        }
        other => vec![other],
    };
    let (negated, rest): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| match part {
        Condition::Not(inner) => !inner.is_of_attributes(),
        Condition::Any(parts) => {
            parts.iter().all(|part| matches!(part, Condition::Not(inner) if !inner.is_of_attributes()))
        }
        _ => false,
    });
    (negated.into_iter().map(Condition::negated).collect(), Condition::all(rest))
}

impl Fitted {
    fn add(&mut self, condition: Condition, on: bool) -> Result<(), &'static str> {
        if condition.is_of_attributes() {
            if on {
                self.group(condition)
            } else {
                self.barred.push(condition)
            }
            return Ok(());
        }
        match condition {
            Condition::Any(parts) => parts.into_iter().try_for_each(|part| self.add(part, on)),
            Condition::Account(accounts) => accounts.into_iter().try_for_each(|account| self.account(account, on)),
            Condition::Project(_) => Err(PROJECT_ALONE),
            Condition::All(parts) => projects(parts)?.into_iter().try_for_each(|project| self.project(project, on)),
            _ => Err("accounts and projects that are not meant can be told in the last condition only"),
        }
    }

    fn account(&mut self, account: AccountId, on: bool) -> Result<(), &'static str> {
        let flag = &mut self.definition;
        if flag.accounts.contains(&account) || flag.excluded_accounts.contains(&account) {
            return Ok(());
        }
        if on {
            self.no_bar()?;
            self.definition.accounts.insert(account);
        } else {
            let reached = flag.projects.iter().any(|project| project.account == account);
            if reached || !self.groups.is_empty() {
                return Err(LATE_EXCLUSION);
            }
            flag.excluded_accounts.insert(account);
        }
        Ok(())
    }

    fn project(&mut self, project: ProjectOf, on: bool) -> Result<(), &'static str> {
        let flag = &mut self.definition;
        let decided = flag.accounts.contains(&project.account)
            || flag.excluded_accounts.contains(&project.account)
            || flag.projects.contains(&project)
            || flag.excluded_projects.contains(&project);
        if decided {
            return Ok(());
        }
        if on {
            self.no_bar()?;
            self.definition.projects.insert(project);
        } else if self.groups.is_empty() {
            flag.excluded_projects.insert(project);
        } else {
            return Err(LATE_EXCLUSION);
        }
        Ok(())
    }

    fn group(&mut self, condition: Condition) {
        let mut parts = vec![condition];
        parts.extend(self.barred.iter().cloned().map(Condition::negated));
        self.groups.push(Condition::all(parts));
    }

    fn close(&mut self, otherwise: bool) {
        if otherwise && self.barred.is_empty() {
            self.definition.global = true;
            self.groups.clear();
        } else if otherwise {
            self.group(Condition::Always(true));
        }
    }

    fn no_bar(&self) -> Result<(), &'static str> {
        if self.barred.is_empty() { Ok(()) } else { Err(BARRED_IDS) }
    }
}

/// The projects that a conjunction of accounts and project names means.
fn projects(parts: Vec<Condition>) -> Result<Vec<ProjectOf>, &'static str> {
    let (mut accounts, mut names) = (None, None);
    for part in parts {
        match part {
            Condition::Account(of) if accounts.is_none() => accounts = Some(of),
            Condition::Project(of) if names.is_none() => names = Some(of),
            _ => return Err(MIXED),
        }
    }
    let (Some(accounts), Some(names)) = (accounts, names) else { return Err(PROJECT_ALONE) };
    let of = |account: &AccountId| {
        let with = |project: &_| ProjectOf { account: account.clone(), project: Clone::clone(project) };
        names.iter().map(with).collect::<Vec<_>>()
    };
    Ok(accounts.iter().flat_map(of).collect())
}
