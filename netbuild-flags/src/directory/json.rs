//! Attributes as hosts write them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::{Attributes, Value};

/// A value as plain JSON has it. The last form is the one in which [`Value`] writes itself.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "an attribute is a text, a number, true or false, a list of texts or {\"version\": \"1.2.3\"}"
)]
enum Plain {
    Nothing(()),
    Text(String),
    Number(f64),
    Bool(bool),
    Set(BTreeSet<String>),
    Own(Value),
}

impl Attributes {
    /// Reads a JSON object: a string is a text, a number a number, true and false a bool, a list of strings a set, and
    /// `{"version": "1.2.3"}` a version, which plain JSON could not tell from a text. What is null is left out. The forms
    /// in which attributes are written by serde are read too.
    ///
    /// # Errors
    /// When it is no such object.
    ///
    /// ```
    /// use netbuild_flags::{Attributes, Value};
    ///
    /// let read = Attributes::from_json(r#"{"plan": "team", "seats": 12, "cli": {"version": "2.1.0"}}"#)?;
    /// assert_eq!(read.get("seats"), Some(&Value::Number(12.0)));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let values: BTreeMap<String, Plain> = serde_json::from_str(text)?;
        let value = |plain| match plain {
            Plain::Nothing(()) => None,
            Plain::Text(text) => Some(Value::Text(text)),
            Plain::Number(number) => Some(Value::Number(number)),
            Plain::Bool(yes) => Some(Value::Bool(yes)),
            Plain::Set(texts) => Some(Value::Set(texts)),
            Plain::Own(value) => Some(value),
        };
        Ok(values.into_iter().filter_map(|(name, plain)| Some((name, value(plain)?))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_json_and_the_own_form_are_read() {
        let text = r#"{"plan": "team", "seats": 12, "rate": 0.5, "beta": true, "tags": ["a", "b"], "none": null,
            "cli": {"version": "2.1.0-rc.1"}, "own": {"number": 3.0}, "empty": []}"#;
        let set = |texts: &[&str]| Value::Set(texts.iter().map(|text| (*text).to_owned()).collect());
        let expected = Attributes::new()
            .with("plan", Value::Text("team".into()))
            .with("seats", Value::Number(12.0))
            .with("rate", Value::Number(0.5))
            .with("beta", Value::Bool(true))
            .with("tags", set(&["a", "b"]))
            .with("cli", Value::Version("2.1.0-rc.1".parse().unwrap()))
            .with("own", Value::Number(3.0))
            .with("empty", set(&[]));
        assert_eq!(Attributes::from_json(text).unwrap(), expected);
        let written = serde_json::to_string(&expected).unwrap();
        assert_eq!(Attributes::from_json(&written).unwrap(), expected);
    }

    #[test]
    fn what_is_no_attribute_is_refused() {
        for text in ["", "[]", "null", r#"{"a": [1]}"#, r#"{"a": {"version": "one"}}"#, r#"{"a": {"b": "c"}}"#] {
            assert!(Attributes::from_json(text).is_err(), "{text}");
        }
    }
}
