//! Names that users choose: accounts, projects, executors, hosts, publishers, holders.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a text cannot be a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidName {
    /// The text is empty.
    #[error("a name cannot be empty")]
    Empty,
    /// The text is longer than [`MAX_NAME_BYTES`].
    #[error("a name has at most {MAX_NAME_BYTES} bytes; this one has {bytes}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The text holds a control character, at this byte.
    #[error("a name has no control characters; this one has one at byte {at}")]
    Control {
        /// The byte at which it starts.
        at: usize,
    },
}

/// The longest name, in bytes. Names reach labels, file names and metrics only through hashes or bounded forms
/// ([`NameKey`](super::NameKey)), so the bound is one of memory, not of any backend.
pub const MAX_NAME_BYTES: usize = 200;

fn check(text: &str) -> Result<(), InvalidName> {
    if text.is_empty() {
        return Err(InvalidName::Empty);
    }
    if text.len() > MAX_NAME_BYTES {
        return Err(InvalidName::TooLong { bytes: text.len() });
    }
    match text.char_indices().find(|(_, c)| c.is_control()) {
        Some((at, _)) => Err(InvalidName::Control { at }),
        None => Ok(()),
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 1 to [`MAX_NAME_BYTES`] bytes of UTF-8 without control characters. Cheap to clone.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a text as a name.
            ///
            /// # Errors
            /// [`InvalidName`] when it is empty, too long or has control characters.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidName> {
                let text = text.as_ref();
                check(text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), &*self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }
    };
}

text_id! {
    /// The account (customer) that owns projects and builds: the tenant.
    AccountId
}
text_id! {
    /// A project of an account. Equal names in two accounts are two projects.
    ProjectId
}
text_id! {
    /// The name of an executor as the host wired it, for example `process` or `k8s`.
    ExecutorName
}
text_id! {
    /// A machine or node inside an executor.
    HostName
}
text_id! {
    /// A process that records events in an outbox and publishes them in its own order.
    PublisherId
}
text_id! {
    /// A scheduler process that competes for the leader lease.
    HolderId
}

impl HolderId {
    /// The name under which a holder competes for the lease the nth time. A name at its longest loses its end for that.
    pub(crate) fn of_turn(&self, turn: u64) -> HolderId {
        let suffix = format!("#{turn}");
        let room = MAX_NAME_BYTES - suffix.len();
        let cut = (0..=room.min(self.0.len())).rev().find(|&at| self.0.is_char_boundary(at)).unwrap_or(0);
        HolderId(Arc::from(format!("{}{suffix}", &self.0[..cut])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_clean() {
        assert_eq!(AccountId::new("").unwrap_err(), InvalidName::Empty);
        assert_eq!(AccountId::new("a\nb").unwrap_err(), InvalidName::Control { at: 1 });
        assert_eq!(AccountId::new("x".repeat(201)).unwrap_err(), InvalidName::TooLong { bytes: 201 });
        assert_eq!(AccountId::new("größe/ä b").unwrap().as_str(), "größe/ä b");
        let longest = HolderId::new("ä".repeat(100)).unwrap();
        assert!(HolderId::new(longest.of_turn(u64::MAX).as_str()).is_ok());
        assert!(serde_json::from_str::<ProjectId>("\"\"").is_err(), "reading checks as well");
    }
}
