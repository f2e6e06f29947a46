//! A document of flagd as definitions.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::cascade::{Choices, Fitted, fit};
use super::error::{ImportError, Problem, Refused, below};
use super::reader::Reader;
use crate::group::parse;
use crate::{Definition, Definitions, FlagKey, GroupName, ValueType};

/// What became of a document of flagd: every flag is among the definitions or among the refused.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// The flags that were taken over, with the groups and attributes that they need.
    pub definitions: Definitions,
    /// The flags that were not, and why.
    pub refused: Vec<Refused>,
    /// JSON pointers of what was left out because it says nothing about on or off.
    pub ignored: Vec<String>,
}

/// Takes over the flags of a document of flagd that answer the same here.
///
/// ```
/// let imported = netbuild_flags::flagd::import(r#"{"flags": {"pods": {
///     "state": "ENABLED",
///     "variants": {"on": true, "off": false},
///     "defaultVariant": "off",
///     "targeting": {"if": [{"in": [{"var": "plan"}, ["team", "business"]]}, "on"]}
/// }}}"#)?;
/// assert!(imported.refused.is_empty());
/// assert_eq!(imported.definitions.groups.values().next().unwrap(), r#"account.plan in ["team", "business"]"#);
/// # Ok::<(), netbuild_flags::flagd::ImportError>(())
/// ```
///
/// # Errors
/// [`ImportError`] where the document as a whole cannot be read.
pub fn import(json: &str) -> Result<Imported, ImportError> {
    let document: Json = serde_json::from_str(json)?;
    let flags = document.get("flags").and_then(Json::as_object).ok_or(ImportError::NoFlags)?;
    let evaluators = document.get("$evaluators").and_then(Json::as_object);
    let mut imported = Imported::default();
    let rest = document.as_object().into_iter().flatten().map(|(name, _)| name);
    imported.ignored =
        rest.filter(|name| !matches!(name.as_str(), "flags" | "$evaluators")).map(|name| below("", name)).collect();
    for (key, flag) in flags {
        let at = below("/flags", key);
        match read(key, flag, &at, evaluators, &imported.definitions.attributes) {
            Ok(read) => imported.take(read, flag, &at),
            Err(Problem { at, reason }) => imported.refused.push(Refused { flag: key.clone(), at, reason }),
        }
    }
    Ok(imported)
}

/// A flag with what it needs.
struct Read {
    key: FlagKey,
    definition: Definition,
    groups: Vec<(GroupName, String)>,
    attributes: BTreeMap<String, ValueType>,
}

impl Imported {
    fn take(&mut self, read: Read, flag: &Json, at: &str) {
        self.definitions.attributes = read.attributes;
        self.definitions.groups.extend(read.groups);
        self.definitions.flags.insert(read.key, read.definition);
        let known = ["state", "variants", "defaultVariant", "targeting"];
        for (field, value) in flag.as_object().into_iter().flatten() {
            match (field.as_str(), value) {
                ("metadata", Json::Object(metadata)) => {
                    let others = metadata.keys().filter(|name| *name != "description");
                    self.ignored.extend(others.map(|name| below(&below(at, "metadata"), name)));
                }
                (field, _) if known.contains(&field) => {}
                (field, _) => self.ignored.push(below(at, field)),
            }
        }
    }
}

fn read(
    key: &str,
    flag: &Json,
    at: &str,
    evaluators: Option<&Map<String, Json>>,
    attributes: &BTreeMap<String, ValueType>,
) -> Result<Read, Problem> {
    let invalid = |error: crate::InvalidKey| Problem::new(at, error.to_string());
    let key = FlagKey::new(key).map_err(invalid)?;
    let variants = variants(flag, &below(at, "variants"))?;
    let default = match flag.get("defaultVariant") {
        Some(Json::String(name)) => variants.get(name.as_str()).copied(),
        _ => None,
    };
    let default = default.ok_or_else(|| {
        Problem::new(below(at, "defaultVariant"), "it has to name a variant: the caller's default is for unknown flags")
    })?;
    let kill = match flag.get("state").and_then(Json::as_str) {
        Some("ENABLED") => false,
        Some("DISABLED") => true,
        _ => return Err(Problem::new(below(at, "state"), "it is either ENABLED or DISABLED")),
    };
    let at = below(at, "targeting");
    let mut reader = Reader { evaluators, variants: &variants, default, attributes: attributes.clone(), places: 0 };
    let mut list = Choices { choices: Vec::new(), otherwise: default };
    if let Some(targeting) = flag.get("targeting") {
        reader.outcome(targeting, &at, 0, &[], &mut list)?;
    }
    let attributes = reader.attributes;
    let Fitted { mut definition, groups, .. } = fit(list).map_err(|reason| Problem::new(&at, reason))?;
    definition.kill = kill;
    let description = flag.pointer("/metadata/description").and_then(Json::as_str);
    description.unwrap_or_default().clone_into(&mut definition.description);
    let mut named = Vec::new();
    for (index, group) in groups.into_iter().enumerate() {
        let text =
            group.text().ok_or_else(|| Problem::new(&at, "a condition without an attribute cannot be a group"))?;
        parse(&text, &attributes).map_err(|error| Problem::new(&at, error.to_string()))?;
        let name = GroupName::new(format!("{key}-{}", index + 1)).map_err(invalid)?;
        definition.groups.insert(name.clone());
        named.push((name, text));
    }
    Ok(Read { key, definition, groups: named, attributes })
}

fn variants<'j>(flag: &'j Json, at: &str) -> Result<BTreeMap<&'j str, bool>, Problem> {
    let variants = flag.get("variants").and_then(Json::as_object);
    let variants = variants.ok_or_else(|| Problem::new(at, "an object of variants is expected"))?;
    let boolean = |(name, value): (&'j String, &Json)| {
        let on =
            value.as_bool().ok_or_else(|| Problem::new(below(at, name), "only boolean variants can be expressed"))?;
        Ok((name.as_str(), on))
    };
    variants.iter().map(boolean).collect()
}
