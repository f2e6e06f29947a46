//! The conditions of flagd's targeting, which is JsonLogic.

use std::collections::BTreeMap;

use netbuild_core::model::{AccountId, ProjectId};
use semver::Version;
use serde_json::{Map, Value as Json};

use super::condition::Condition;
use super::error::{Problem, below};
use crate::ValueType;

/// The most places that the targeting of one flag may have, with all that it refers to: references multiply.
const MAX_PLACES: usize = 10_000;
/// How deep references and operators may be nested.
const MAX_DEPTH: usize = 48;

/// Reads the targeting of one flag.
#[derive(Debug)]
pub(super) struct Reader<'d> {
    pub(super) evaluators: Option<&'d Map<String, Json>>,
    pub(super) variants: &'d BTreeMap<&'d str, bool>,
    /// The outcome where targeting has none.
    pub(super) default: bool,
    /// The attributes that it asks for.
    pub(super) attributes: BTreeMap<String, ValueType>,
    pub(super) places: usize,
}

/// What a comparison is about.
enum About {
    Account,
    Project,
    Attribute(String),
}

impl<'d> Reader<'d> {
    /// Reads a condition.
    pub(super) fn condition(&mut self, json: &Json, at: &str, depth: usize) -> Result<Condition, Problem> {
        self.step(at, depth)?;
        if let Json::Bool(holds) = json {
            return Ok(Condition::Always(*holds));
        }
        let (operator, arguments, at) = operation(json, at)?;
        let parts = || match arguments {
            Json::Array(parts) => parts.as_slice(),
            one => std::slice::from_ref(one),
        };
        match operator {
            "$ref" => {
                let (to, at) = self.evaluator(arguments, &at)?;
                self.condition(to, &at, depth + 1)
            }
            "and" | "or" => {
                let read = |(index, part): (usize, &Json)| self.condition(part, &below(&at, index), depth + 1);
                let parts = parts().iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
                Ok(if operator == "and" { Condition::all(parts) } else { Condition::any(parts) })
            }
            "!" | "!!" => {
                let [part] = parts() else { return Err(Problem::new(at, format!("`{operator}` has one argument"))) };
                let condition = self.condition(part, &at, depth + 1)?;
                Ok(if operator == "!" { condition.negated() } else { condition })
            }
            "var" => {
                let About::Attribute(name) = self.about(json, &at)? else {
                    return Err(Problem::new(at, "an account or a project has to be compared"));
                };
                self.has(&name, ValueType::Bool, &at, name.clone())
            }
            "==" | "===" => self.equal(parts(), &at),
            "!=" | "!==" => Ok(self.equal(parts(), &at)?.negated()),
            "in" => self.within(parts(), &at),
            "starts_with" => {
                let [subject, Json::String(prefix)] = parts() else {
                    return Err(Problem::new(at, "`starts_with` compares a `var` with a text"));
                };
                match self.about(subject, &at)? {
                    About::Attribute(name) => {
                        let text = format!("{name} starts_with {}", quoted(prefix));
                        self.has(&name, ValueType::Text, &at, text)
                    }
                    _ => Err(Problem::new(at, "accounts and projects are told by their whole ids")),
                }
            }
            "<" | "<=" | ">" | ">=" => self.range(operator, parts(), &at),
            "sem_ver" => self.version(parts(), &at),
            "fractional" | "fractionalEvaluation" => Err(fractional(at)),
            "ends_with" => Err(Problem::new(at, "groups cannot ask how a text ends")),
            _ => Err(Problem::new(at, format!("the operator `{operator}` cannot be expressed"))),
        }
    }

    fn equal(&mut self, parts: &[Json], at: &str) -> Result<Condition, Problem> {
        let [left, right] = parts else { return Err(Problem::new(at, "two things are compared")) };
        let (subject, value) = if is_var(left) { (left, right) } else { (right, left) };
        let about = self.about(subject, at)?;
        match (about, value) {
            (About::Attribute(name), Json::Bool(true)) => self.has(&name, ValueType::Bool, at, name.clone()),
            (About::Attribute(_), Json::Bool(false)) => {
                Err(Problem::new(at, "groups cannot tell `false` from an attribute that is missing; use `!`"))
            }
            (about, value) => self.among(&about, std::slice::from_ref(value), at),
        }
    }

    fn within(&mut self, parts: &[Json], at: &str) -> Result<Condition, Problem> {
        match parts {
            [subject, Json::Array(values)] => {
                let about = self.about(subject, at)?;
                self.among(&about, values, at)
            }
            _ => Err(Problem::new(at, "`in` is taken over with a list only: groups do not look into texts")),
        }
    }

    fn among(&mut self, about: &About, values: &[Json], at: &str) -> Result<Condition, Problem> {
        let texts = || values.iter().map(Json::as_str).collect::<Option<Vec<_>>>();
        let invalid = |error: &dyn std::fmt::Display| Problem::new(at, error.to_string());
        if values.is_empty() {
            return Ok(Condition::Always(false));
        }
        match about {
            About::Account => {
                let ids = texts().ok_or_else(|| invalid(&"the id of an account is a text"))?;
                let ids = ids.into_iter().map(AccountId::new).collect::<Result<_, _>>();
                Ok(Condition::Account(ids.map_err(|error| invalid(&error))?))
            }
            About::Project => {
                let ids = texts().ok_or_else(|| invalid(&"the name of a project is a text"))?;
                let ids = ids.into_iter().map(ProjectId::new).collect::<Result<_, _>>();
                Ok(Condition::Project(ids.map_err(|error| invalid(&error))?))
            }
            About::Attribute(name) => {
                if let Some(texts) = texts() {
                    let texts: Vec<String> = texts.into_iter().map(quoted).collect();
                    return self.has(name, ValueType::Text, at, format!("{name} in [{}]", texts.join(", ")));
                }
                let numbers: Option<Vec<String>> = values.iter().map(number).collect();
                let numbers = numbers.ok_or_else(|| invalid(&"texts or plain numbers are compared, not both"))?;
                self.has(name, ValueType::Number, at, format!("{name} in [{}]", numbers.join(", ")))
            }
        }
    }

    fn range(&mut self, operator: &str, parts: &[Json], at: &str) -> Result<Condition, Problem> {
        let between = |low: &Json, middle: &Json| (is_var(low), low.clone(), middle.clone());
        let pairs = match parts {
            [left, right] => vec![between(left, right)],
            [low, middle, high] if operator.starts_with('<') => vec![between(low, middle), between(middle, high)],
            _ => return Err(Problem::new(at, "two things are compared")),
        };
        let mut conditions = Vec::new();
        for (in_order, left, right) in pairs {
            let (subject, bound) = if in_order { (&left, &right) } else { (&right, &left) };
            let About::Attribute(name) = self.about(subject, at)? else {
                return Err(Problem::new(at, "accounts and projects have no order"));
            };
            let (Some(bound), Some(text)) = (bound.as_f64(), number(bound)) else {
                return Err(Problem::new(at, "a plain number is the bound"));
            };
            let (operator, opposite, of_nothing) = match (operator, in_order) {
                ("<", true) | (">", false) => ("<", ">=", 0.0 < bound),
                ("<=", true) | (">=", false) => ("<=", ">", 0.0 <= bound),
                (">", true) | ("<", false) => (">", "<=", 0.0 > bound),
                _ => (">=", "<", 0.0 >= bound),
            };
            // A missing attribute counts as 0 in JsonLogic, and no comparison holds for it here.
            let text =
                if of_nothing { format!("{name} {opposite} {text}") } else { format!("{name} {operator} {text}") };
            let condition = self.has(&name, ValueType::Number, at, text)?;
            conditions.push(if of_nothing { condition.negated() } else { condition });
        }
        Ok(Condition::all(conditions))
    }

    fn version(&mut self, parts: &[Json], at: &str) -> Result<Condition, Problem> {
        let [subject, Json::String(operator), Json::String(version)] = parts else {
            return Err(Problem::new(at, "`sem_ver` has a `var`, an operator and a version"));
        };
        let About::Attribute(name) = self.about(subject, at)? else {
            return Err(Problem::new(at, "accounts and projects have no version"));
        };
        let version: Version = version.parse().map_err(|error| Problem::new(at, format!("{version:?}: {error}")))?;
        let text = match operator.as_str() {
            "!=" => format!("{name} != \"{version}\""),
            "=" | "<" | "<=" | ">" | ">=" => format!("{name} matches \"{operator}{version}\""),
            // Only these parts have to be equal, in either direction.
            "^" => format!("{name} matches \"={}\"", version.major),
            "~" => format!("{name} matches \"={}.{}\"", version.major, version.minor),
            _ => return Err(Problem::new(at, format!("`sem_ver` has no operator {operator:?}"))),
        };
        self.has(&name, ValueType::Version, at, text)
    }

    /// A comparison of an attribute, which all comparisons have to take for the same type.
    fn has(&mut self, name: &str, kind: ValueType, at: &str, text: String) -> Result<Condition, Problem> {
        let known = *self.attributes.entry(name.to_owned()).or_insert(kind);
        if known == kind {
            Ok(Condition::Has(text))
        } else {
            Err(Problem::new(at, format!("`{name}` is used as a {kind} here and as a {known} elsewhere")))
        }
    }

    fn about(&self, json: &Json, at: &str) -> Result<About, Problem> {
        let name = match json.get("var") {
            Some(Json::String(name)) => name.as_str(),
            Some(Json::Array(parts)) => match parts.as_slice() {
                [Json::String(name)] => name.as_str(),
                _ => return Err(Problem::new(at, "a `var` with a default cannot be expressed")),
            },
            _ => return Err(Problem::new(at, "one side of a comparison has to be a `var`, the other a constant")),
        };
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '$');
        if name.is_empty() || !name.chars().all(good) {
            return Err(Problem::new(at, format!("{name:?} cannot be the name of an attribute")));
        }
        match name {
            "targetingKey" | "account" => Ok(About::Account),
            "project" => Ok(About::Project),
            "$flagd.timestamp" => Err(Problem::new(at, "groups cannot ask for the time; a ramp can")),
            name if name.contains('$') => Err(Problem::new(at, format!("`{name}` is known to flagd only"))),
            "account." | "project." => Err(Problem::new(at, "the attribute has no name")),
            name if name.starts_with("account.") || name.starts_with("project.") => {
                Ok(About::Attribute(name.to_owned()))
            }
            name => Ok(About::Attribute(format!("account.{name}"))),
        }
    }

    pub(super) fn evaluator(&self, name: &Json, at: &str) -> Result<(&'d Json, String), Problem> {
        let name = name.as_str().unwrap_or_default();
        let found = self.evaluators.and_then(|evaluators| evaluators.get(name));
        let at_found = below("/$evaluators", name);
        found.map(|found| (found, at_found)).ok_or_else(|| Problem::new(at, format!("there is no evaluator {name:?}")))
    }

    pub(super) fn step(&mut self, at: &str, depth: usize) -> Result<(), Problem> {
        self.places += 1;
        if depth > MAX_DEPTH || self.places > MAX_PLACES {
            let reason = format!("nested deeper than {MAX_DEPTH}, or of more than {MAX_PLACES} places");
            return Err(Problem::new(at, reason));
        }
        Ok(())
    }
}

/// The one operator of an object, its arguments, and where they are.
pub(super) fn operation<'j>(json: &'j Json, at: &str) -> Result<(&'j str, &'j Json, String), Problem> {
    let mut entries = json.as_object().into_iter().flatten();
    match (entries.next(), entries.next()) {
        (Some((operator, arguments)), None) => Ok((operator, arguments, below(at, operator))),
        _ => Err(Problem::new(at, "an object with one operator is expected")),
    }
}

pub(super) fn fractional(at: String) -> Problem {
    let reason = "flagd's percentages are of another hash, so other accounts would be in; set a share instead";
    Problem::new(at, reason)
}

fn is_var(json: &Json) -> bool {
    json.get("var").is_some()
}

/// A text as groups quote it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A number as groups write it, without an exponent.
fn number(json: &Json) -> Option<String> {
    json.as_f64().map(|number| number.to_string())
}
