//! What is known of an account or a project, for groups to look at.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::bucket::hash;

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// Yes or no.
    Bool(bool),
    /// A semantic version, as `1.20.3`.
    Version(Version),
    /// A set of texts.
    Set(BTreeSet<String>),
}

impl Value {
    /// Its type.
    pub const fn kind(&self) -> ValueType {
        match self {
            Value::Text(_) => ValueType::Text,
            Value::Number(_) => ValueType::Number,
            Value::Bool(_) => ValueType::Bool,
            Value::Version(_) => ValueType::Version,
            Value::Set(_) => ValueType::Set,
        }
    }
}

/// The type of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// [`Value::Text`].
    Text,
    /// [`Value::Number`].
    Number,
    /// [`Value::Bool`].
    Bool,
    /// [`Value::Version`].
    Version,
    /// [`Value::Set`].
    Set,
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ValueType::Text => "text",
            ValueType::Number => "number",
            ValueType::Bool => "bool",
            ValueType::Version => "version",
            ValueType::Set => "set",
        })
    }
}

/// The attributes of one account or one project, by name: for an account `plan`, where a group asks for `account.plan`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, Value>", into = "BTreeMap<String, Value>")]
pub struct Attributes(Vec<Attribute>);

/// An attribute. They are few: by the hashes of their names one is found sooner than in any map.
#[derive(Clone, Debug, PartialEq)]
struct Attribute {
    hash: u64,
    name: String,
    value: Value,
}

impl Attributes {
    /// None.
    pub const NONE: &'static Attributes = &Attributes(Vec::new());

    /// None yet.
    pub const fn new() -> Self {
        Attributes(Vec::new())
    }

    /// With one more, which replaces one of the same name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: Value) -> Self {
        let name = name.into();
        match self.0.binary_search_by(|known| known.name.cmp(&name)) {
            Ok(place) => self.0[place].value = value,
            Err(place) => self.0.insert(place, Attribute { hash: hash(&name), name, value }),
        }
        self
    }

    /// The value of one.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.get_hashed(hash(name), name)
    }

    /// The value of one by its name and the hash of it.
    #[inline]
    pub(crate) fn get_hashed(&self, hash: u64, name: &str) -> Option<&Value> {
        self.0.iter().find(|known| known.hash == hash && known.name == name).map(|known| &known.value)
    }
}

impl FromIterator<(String, Value)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(values: I) -> Self {
        // The last of a name counts.
        values.into_iter().collect::<BTreeMap<_, _>>().into()
    }
}

impl From<BTreeMap<String, Value>> for Attributes {
    fn from(values: BTreeMap<String, Value>) -> Self {
        let attribute = |(name, value): (String, Value)| Attribute { hash: hash(&name), name, value };
        Attributes(values.into_iter().map(attribute).collect())
    }
}

impl From<Attributes> for BTreeMap<String, Value> {
    fn from(attributes: Attributes) -> Self {
        attributes.0.into_iter().map(|Attribute { name, value, .. }| (name, value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_name_counts_in_whatever_order_they_come() {
        let text = |text: &str| Value::Text(text.to_owned());
        let one_by_one =
            Attributes::new().with("plan", text("solo")).with("country", text("de")).with("plan", text("team"));
        let all = [("country", "at"), ("plan", "team"), ("country", "de")];
        let at_once: Attributes = all.into_iter().map(|(name, value)| (name.to_owned(), text(value))).collect();
        assert_eq!(one_by_one, at_once);
        assert_eq!((at_once.get("plan"), at_once.get("pla")), (Some(&text("team")), None));
        let json = serde_json::to_string(&at_once).unwrap();
        assert_eq!(json, r#"{"country":{"text":"de"},"plan":{"text":"team"}}"#);
        assert_eq!(serde_json::from_str::<Attributes>(&json).unwrap(), at_once);
    }
}
