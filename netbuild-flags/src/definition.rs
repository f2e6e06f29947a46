//! What a host defines: flags, groups and attributes.

use std::collections::{BTreeMap, BTreeSet};

use netbuild_core::model::{AccountId, ProjectId};
use serde::{Deserialize, Serialize};

use crate::{FlagKey, GroupName, Share, ValueType};

/// All flags, groups and attributes, as one document. Every field is optional in texts.
///
/// ```
/// use netbuild_flags::Definitions;
///
/// let text = r#"{
///     "attributes": { "account.plan": "text" },
///     "groups": { "teams": "account.plan == \"team\"" },
///     "flags": { "pods": { "groups": ["teams"], "accounts_share": 2.5 } }
/// }"#;
/// let definitions: Definitions = serde_json::from_str(text)?;
/// assert_eq!(definitions.flags.len(), 1);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Definitions {
    /// The attributes that groups may ask for, `account.…` and `project.…`, and their types.
    #[serde(deserialize_with = "crate::unique::deserialize")]
    pub attributes: BTreeMap<String, ValueType>,
    /// The groups, each with what it asks: see [`group`](crate::group).
    #[serde(deserialize_with = "crate::unique::deserialize")]
    pub groups: BTreeMap<GroupName, String>,
    /// The flags.
    #[serde(deserialize_with = "crate::unique::deserialize")]
    pub flags: BTreeMap<FlagKey, Definition>,
}

/// A flag. By default it is off for everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Definition {
    /// What it is for, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The kill switch: off for everybody, whatever else is said.
    #[serde(skip_serializing_if = "is_false")]
    pub kill: bool,
    /// Accounts for which it is off, with all their projects.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub excluded_accounts: BTreeSet<AccountId>,
    /// Projects for which it is off.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub excluded_projects: BTreeSet<ProjectOf>,
    /// On for everybody.
    #[serde(skip_serializing_if = "is_false")]
    pub global: bool,
    /// Accounts for which it is on, with all their projects.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub accounts: BTreeSet<AccountId>,
    /// Projects for which it is on.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub projects: BTreeSet<ProjectOf>,
    /// Groups for which it is on.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<GroupName>,
    /// The part of all accounts for which it is on, with all their projects.
    #[serde(skip_serializing_if = "is_default")]
    pub accounts_share: Share,
    /// The part of all projects for which it is on; which ones has nothing to do with which accounts.
    #[serde(skip_serializing_if = "is_default")]
    pub projects_share: Share,
}

/// A project with its account: equal names of two accounts are two projects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table with `account` and `project`")]
pub struct ProjectOf {
    /// Its account.
    pub account: AccountId,
    /// Its name there.
    pub project: ProjectId,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(yes: &bool) -> bool {
    !yes
}

fn is_default(share: &Share) -> bool {
    *share == Share::default()
}
