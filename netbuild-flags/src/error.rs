//! Why definitions are refused.

use crate::group::GroupError;
use crate::{FlagKey, GroupName};

/// Why definitions are refused. Those before them stay in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DefinitionError {
    /// An attribute is neither of an account nor of a project.
    #[error("attribute {0:?}: name it `account.…` or `project.…`, of letters, digits, dots, dashes and underscores")]
    Attribute(String),
    /// A group cannot be read.
    #[error("group {group}: {error}")]
    Group {
        /// The group.
        group: GroupName,
        /// What is wrong, and where.
        error: GroupError,
    },
    /// A flag names a group that is not defined.
    #[error("flag {flag}: there is no group {group}")]
    UnknownGroup {
        /// The flag.
        flag: FlagKey,
        /// The group.
        group: GroupName,
    },
    /// A ramp ends before it starts.
    #[error("flag {flag}: the ramp ends before it starts")]
    Ramp {
        /// The flag.
        flag: FlagKey,
    },
    /// Steps without a step, or steps that go down.
    #[error("flag {flag}: steps are one or more percentages, each higher than the one before")]
    Steps {
        /// The flag.
        flag: FlagKey,
    },
    /// More of something than there may be.
    #[error("{found} {what}: at most {limit} are allowed")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
}
