//! Conditions as the cascade can tell them apart.

use std::collections::BTreeSet;

use netbuild_core::model::{AccountId, ProjectId};

/// A condition over accounts, projects and attributes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    Always(bool),
    Account(BTreeSet<AccountId>),
    Project(BTreeSet<ProjectId>),
    /// A comparison of an attribute, as groups write it.
    Has(String),
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
}

impl Condition {
    pub(super) fn all(parts: Vec<Condition>) -> Self {
        Condition::join(parts, true)
    }

    pub(super) fn any(parts: Vec<Condition>) -> Self {
        Condition::join(parts, false)
    }

    /// Joins by `and` (`all`) or by `or`; what cannot change the result is left out.
    fn join(parts: Vec<Condition>, all: bool) -> Self {
        let mut kept = Vec::new();
        for part in parts {
            match part {
                Condition::Always(holds) if holds == all => {}
                Condition::Always(holds) => return Condition::Always(holds),
                Condition::All(inner) if all => kept.extend(inner),
                Condition::Any(inner) if !all => kept.extend(inner),
                part => kept.push(part),
            }
        }
        match kept.len() {
            0 => Condition::Always(all),
            1 => kept.remove(0),
            _ if all => Condition::All(kept),
            _ => Condition::Any(kept),
        }
    }

    /// The opposite. Negations end at accounts, projects and comparisons.
    pub(super) fn negated(self) -> Self {
        match self {
            Condition::Always(holds) => Condition::Always(!holds),
            Condition::All(parts) => Condition::any(parts.into_iter().map(Condition::negated).collect()),
            Condition::Any(parts) => Condition::all(parts.into_iter().map(Condition::negated).collect()),
            Condition::Not(inner) => *inner,
            leaf => Condition::Not(Box::new(leaf)),
        }
    }

    /// Whether it asks for attributes only, so that a group can ask it.
    pub(super) fn is_of_attributes(&self) -> bool {
        match self {
            Condition::Always(_) | Condition::Has(_) => true,
            Condition::Account(_) | Condition::Project(_) => false,
            Condition::All(parts) | Condition::Any(parts) => parts.iter().all(Condition::is_of_attributes),
            Condition::Not(inner) => inner.is_of_attributes(),
        }
    }

    /// As the text of a group; `None` where it is none.
    pub(super) fn text(&self) -> Option<String> {
        let joined = |parts: &[Condition], word: &str| {
            let texts = parts.iter().map(|part| match part {
                Condition::All(_) | Condition::Any(_) => part.text().map(|text| format!("({text})")),
                part => part.text(),
            });
            Some(texts.collect::<Option<Vec<_>>>()?.join(word))
        };
        match self {
            Condition::Has(text) => Some(text.clone()),
            Condition::All(parts) => joined(parts, " and "),
            Condition::Any(parts) => joined(parts, " or "),
            Condition::Not(inner) => Some(format!("not {}", inner.text()?)),
            Condition::Always(_) | Condition::Account(_) | Condition::Project(_) => None,
        }
    }
}
