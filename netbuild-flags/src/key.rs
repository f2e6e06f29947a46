//! Names of flags and groups.

use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::bucket::hash;

/// The longest key of a flag and name of a group, in bytes.
pub const MAX_KEY_BYTES: usize = 100;

/// Why a text is no key of a flag and no name of a group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no key: 1 to {MAX_KEY_BYTES} letters, digits, dots, dashes and underscores, of ASCII")]
pub struct InvalidKey(pub String);

fn check(text: &str) -> Result<(), InvalidKey> {
    let good = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_');
    if (1..=MAX_KEY_BYTES).contains(&text.len()) && text.bytes().all(good) {
        return Ok(());
    }
    Err(InvalidKey(text.chars().take(MAX_KEY_BYTES).collect()))
}

/// The key of a flag: 1 to [`MAX_KEY_BYTES`] ASCII letters, digits, dots, dashes and underscores.
///
/// Make it once and keep it: it carries its hash, so that an evaluation does not compute it. Cheap to clone.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FlagKey {
    text: Arc<str>,
    hash: u64,
}

impl FlagKey {
    /// Takes a text as a key.
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidKey> {
        let text = text.as_ref();
        check(text)?;
        Ok(FlagKey { text: Arc::from(text), hash: hash(text) })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for FlagKey {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && (Arc::ptr_eq(&self.text, &other.text) || self.text == other.text)
    }
}

impl Eq for FlagKey {}

impl PartialOrd for FlagKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for FlagKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for FlagKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// The name of a group: as the key of a flag. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupName(Arc<str>);

impl GroupName {
    /// Takes a text as a name.
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidKey> {
        let text = text.as_ref();
        check(text)?;
        Ok(GroupName(Arc::from(text)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! as_text {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), self.as_str())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidKey;

            fn try_from(text: String) -> Result<Self, InvalidKey> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.as_str().to_owned()
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidKey;

            fn from_str(text: &str) -> Result<Self, InvalidKey> {
                Self::new(text)
            }
        }
    };
}
as_text!(FlagKey);
as_text!(GroupName);

/// For maps whose keys are or carry hashes already.
pub(crate) type Hashed = BuildHasherDefault<Carried>;

/// Takes the one `u64` that it is given as the hash.
#[derive(Debug, Default)]
pub(crate) struct Carried(u64);

impl Hasher for Carried {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Nothing here has such a key; a key that did would still be found.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[inline]
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
