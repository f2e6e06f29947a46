//! What a change does to definitions, and how it is undone.

use std::collections::BTreeMap;

use netbuild_core::model::Timestamp;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::{Definition, Definitions, FlagKey, GroupName, Overrides, Snapshot, ValueType};

/// A change of definitions, with who makes it and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What is done, in this order, all or nothing.
    pub edits: Vec<Edit>,
    /// Who makes it; not empty.
    pub who: String,
    /// Why.
    pub why: String,
    /// The revision that the change was thought out for: if there is a newer one, it is refused. `None` takes any.
    pub expected: Option<u64>,
}

impl Change {
    /// A change of whatever revision there is.
    pub fn new(who: impl Into<String>, why: impl Into<String>, edits: Vec<Edit>) -> Self {
        Change { edits, who: who.into(), why: why.into(), expected: None }
    }

    /// The same, for one revision only.
    #[must_use]
    pub fn of_revision(self, revision: u64) -> Self {
        Change { expected: Some(revision), ..self }
    }
}

/// One thing that a change does. What is to be removed and is not there is left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Edit {
    /// Defines a flag, or defines it anew.
    SetFlag(FlagKey, Definition),
    /// Removes a flag: who asks for it gets the default of its own.
    RemoveFlag(FlagKey),
    /// Defines a group, or defines it anew.
    SetGroup(GroupName, String),
    /// Removes a group. Refused while a flag names it.
    RemoveGroup(GroupName),
    /// Declares an attribute, `account.…` or `project.…`.
    SetAttribute(String, ValueType),
    /// Removes an attribute. Refused while a group asks for it.
    RemoveAttribute(String),
    /// Puts other definitions in place of all.
    Replace(Definitions),
}

/// One thing that a revision changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Changed {
    /// A flag.
    Flag {
        /// Its key.
        key: FlagKey,
        /// What it was; `None` if there was none.
        from: Option<Box<Definition>>,
        /// What it became; `None` if it was removed.
        to: Option<Box<Definition>>,
    },
    /// A group.
    Group {
        /// Its name.
        name: GroupName,
        /// What it was.
        from: Option<String>,
        /// What it became.
        to: Option<String>,
    },
    /// An attribute.
    Attribute {
        /// Its name.
        name: String,
        /// What it was.
        from: Option<ValueType>,
        /// What it became.
        to: Option<ValueType>,
    },
}

/// What definitions become by a change, and what that changes: nothing, if it leaves all as it is.
pub(super) fn applied(
    definitions: &Definitions,
    revision: u64,
    change: &Change,
    now: Timestamp,
) -> Result<(Definitions, Vec<Changed>), StoreError> {
    if change.who.trim().is_empty() {
        return Err(StoreError::Anonymous);
    }
    if let Some(expected) = change.expected.filter(|expected| *expected != revision) {
        return Err(StoreError::Conflict { expected, current: revision });
    }
    let mut after = definitions.clone();
    for edit in &change.edits {
        match edit.clone() {
            Edit::SetFlag(key, definition) => drop(after.flags.insert(key, definition)),
            Edit::RemoveFlag(key) => drop(after.flags.remove(&key)),
            Edit::SetGroup(name, text) => drop(after.groups.insert(name, text)),
            Edit::RemoveGroup(name) => drop(after.groups.remove(&name)),
            Edit::SetAttribute(name, kind) => {
                after.attributes.insert(name, kind);
            }
            Edit::RemoveAttribute(name) => {
                after.attributes.remove(&name);
            }
            Edit::Replace(definitions) => after = definitions,
        }
    }
    // What no process would take must not be stored.
    let snapshot = Snapshot::new(after, &Overrides::none(), now).map_err(StoreError::Refused)?;
    let after = snapshot.definitions().clone();
    let changed = difference(definitions, &after);
    Ok((after, changed))
}

fn difference(before: &Definitions, after: &Definitions) -> Vec<Changed> {
    let attributes = changes(&before.attributes, &after.attributes).map(|(name, from, to)| Changed::Attribute {
        name: name.clone(),
        from: from.copied(),
        to: to.copied(),
    });
    let groups = changes(&before.groups, &after.groups).map(|(name, from, to)| Changed::Group {
        name: name.clone(),
        from: from.cloned(),
        to: to.cloned(),
    });
    let flags = changes(&before.flags, &after.flags).map(|(key, from, to)| Changed::Flag {
        key: key.clone(),
        from: from.cloned().map(Box::new),
        to: to.cloned().map(Box::new),
    });
    attributes.chain(groups).chain(flags).collect()
}

/// The keys whose values differ, each with both.
fn changes<'m, K: Ord, V: PartialEq>(
    before: &'m BTreeMap<K, V>,
    after: &'m BTreeMap<K, V>,
) -> impl Iterator<Item = (&'m K, Option<&'m V>, Option<&'m V>)> {
    let gone = before.iter().filter(|(key, _)| !after.contains_key(key)).map(|(key, from)| (key, Some(from), None));
    let set = after.iter().map(|(key, to)| (key, before.get(key), Some(to)));
    gone.chain(set).filter(|(_, from, to)| from != to)
}

/// The flags among what a revision changed.
pub(super) fn flags(changed: &[Changed]) -> impl Iterator<Item = &FlagKey> {
    changed.iter().filter_map(|changed| match changed {
        Changed::Flag { key, .. } => Some(key),
        _ => None,
    })
}

/// Takes back what a revision changed.
pub(super) fn undo(definitions: &mut Definitions, changed: Vec<Changed>) {
    for changed in changed {
        match changed {
            Changed::Flag { key, from, .. } => put(&mut definitions.flags, key, from.map(|from| *from)),
            Changed::Group { name, from, .. } => put(&mut definitions.groups, name, from),
            Changed::Attribute { name, from, .. } => put(&mut definitions.attributes, name, from),
        }
    }
}

fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
}
