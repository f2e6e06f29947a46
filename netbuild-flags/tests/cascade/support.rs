//! Definitions and subjects for tests.

use netbuild_core::model::{AccountId, ProjectId, Timestamp};
use netbuild_flags::{Definition, Definitions, FlagKey, GroupName, Overrides, Snapshot, ValueType};

pub(crate) fn key(text: &str) -> FlagKey {
    FlagKey::new(text).unwrap()
}

pub(crate) fn account(text: &str) -> AccountId {
    AccountId::new(text).unwrap()
}

pub(crate) fn project(text: &str) -> ProjectId {
    ProjectId::new(text).unwrap()
}

/// The flag `flag` with the group `teams` defined.
pub(crate) fn definitions(definition: Definition) -> Definitions {
    let mut definitions = Definitions::default();
    definitions.attributes.insert("account.plan".to_owned(), ValueType::Text);
    definitions.groups.insert(GroupName::new("teams").unwrap(), r#"account.plan == "team""#.to_owned());
    definitions.flags.insert(key("flag"), definition);
    definitions
}

pub(crate) fn snapshot(definition: Definition) -> Snapshot {
    snapshot_with(definition, &Overrides::none())
}

pub(crate) fn snapshot_with(definition: Definition, overrides: &Overrides) -> Snapshot {
    Snapshot::new(definitions(definition), overrides, Timestamp::EPOCH).unwrap()
}
