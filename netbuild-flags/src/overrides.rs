//! Flags that one process overrides by its environment.

use std::collections::BTreeMap;

use crate::FlagKey;

/// How the names of variables begin that override flags.
pub const OVERRIDE_PREFIX: &str = "NETBUILD_FLAG_";

/// The flags that one process overrides: on or off for everybody but the excluded.
///
/// ```
/// use netbuild_flags::{FlagKey, Overrides};
///
/// let vars = [("NETBUILD_FLAG_new-runner", "on"), ("HOME", "/root")];
/// let overrides = Overrides::from_vars(vars)?;
/// assert_eq!(overrides.get(&FlagKey::new("new-runner")?), Some(true));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides(BTreeMap<String, bool>);

/// A variable of the environment that overrides nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {value:?}: say on, off, true or false")]
pub struct InvalidOverride {
    /// The variable.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Overrides {
    /// None.
    pub fn none() -> Self {
        Self::default()
    }

    /// Those of variables whose names begin with [`OVERRIDE_PREFIX`], from `std::env::vars()` for example. The rest of the
    /// name is the flag's key; since many shells take no dash or dot in a name and people write it in capitals, letter
    /// case does not count and an underscore stands for those as well: `NETBUILD_FLAG_NEW_RUNNER` is `new-runner`.
    ///
    /// # Errors
    /// [`InvalidOverride`]: a value that is neither on nor off.
    pub fn from_vars<N: AsRef<str>, V: AsRef<str>>(
        vars: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, InvalidOverride> {
        let mut found = BTreeMap::new();
        for (name, value) in vars {
            let Some(key) = name.as_ref().strip_prefix(OVERRIDE_PREFIX) else { continue };
            let on = match value.as_ref().to_ascii_lowercase().as_str() {
                "on" | "true" => true,
                "off" | "false" => false,
                _ => {
                    let (name, value) = (name.as_ref().to_owned(), value.as_ref().to_owned());
                    return Err(InvalidOverride { name, value });
                }
            };
            found.insert(folded(key), on);
        }
        Ok(Overrides(found))
    }

    /// With one more.
    #[must_use]
    pub fn with(mut self, flag: &FlagKey, on: bool) -> Self {
        self.0.insert(folded(flag.as_str()), on);
        self
    }

    /// What a flag is overridden with.
    pub fn get(&self, flag: &FlagKey) -> Option<bool> {
        if self.0.is_empty() { None } else { self.0.get(&folded(flag.as_str())).copied() }
    }
}

fn folded(key: &str) -> String {
    key.to_ascii_lowercase().replace(['-', '.'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded_and_values_are_checked() {
        let overrides = Overrides::from_vars([("NETBUILD_FLAG_NEW_RUNNER", "OFF"), ("NETBUILD_FLAG", "x")]).unwrap();
        for (key, expected) in [("new-runner", Some(false)), ("new.runner", Some(false)), ("newrunner", None)] {
            assert_eq!(overrides.get(&FlagKey::new(key).unwrap()), expected, "{key}");
        }
        let error = Overrides::from_vars([("NETBUILD_FLAG_A", "yes")]).unwrap_err();
        assert_eq!(error.to_string(), "NETBUILD_FLAG_A is \"yes\": say on, off, true or false");
    }
}
