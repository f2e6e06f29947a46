//! What a group asks.

use semver::{Version, VersionReq};

use crate::bucket::hash;
use crate::subject::Subject;
use crate::{Attributes, Value};

/// What a group asks of a subject.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Predicate {
    All(Vec<Predicate>),
    Any(Vec<Predicate>),
    Not(Box<Predicate>),
    Holds(Attribute, Comparison),
}

/// Of whom an attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Account,
    Project,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attribute {
    of: Owner,
    name: String,
    hash: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Comparison {
    True,
    TextIn(Vec<String>),
    TextIsNot(String),
    StartsWith(String),
    NumberIn(Vec<f64>),
    NumberIsNot(f64),
    Below(f64),
    AtMost(f64),
    Above(f64),
    AtLeast(f64),
    Between(f64, f64),
    VersionIs(Version),
    VersionIsNot(Version),
    Matches(VersionReq),
    Contains(String),
}

impl Predicate {
    /// Whether the subject is of the group.
    pub(crate) fn holds(&self, subject: &Subject<'_>) -> bool {
        match self {
            Predicate::All(parts) => parts.iter().all(|part| part.holds(subject)),
            Predicate::Any(parts) => parts.iter().any(|part| part.holds(subject)),
            Predicate::Not(part) => !part.holds(subject),
            Predicate::Holds(attribute, comparison) => {
                attribute.value(subject).is_some_and(|value| comparison.holds(value))
            }
        }
    }
}

impl Attribute {
    pub(super) fn new(of: Owner, name: String) -> Self {
        Attribute { of, hash: hash(&name), name }
    }

    #[inline]
    fn value<'s>(&self, subject: &Subject<'s>) -> Option<&'s Value> {
        let attributes: &'s Attributes = match self.of {
            Owner::Account => subject.account_attributes,
            Owner::Project => subject.project?.attributes,
        };
        attributes.get_hashed(self.hash, &self.name)
    }
}

impl Comparison {
    #[expect(clippy::float_cmp, reason = "the same number as was written is meant")]
    fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Comparison::True, Value::Bool(yes)) => *yes,
            (Comparison::TextIn(texts), Value::Text(text)) => texts.contains(text),
            (Comparison::TextIsNot(other), Value::Text(text)) => text != other,
            (Comparison::StartsWith(prefix), Value::Text(text)) => text.starts_with(prefix),
            (Comparison::NumberIn(numbers), Value::Number(number)) => numbers.contains(number),
            (Comparison::NumberIsNot(other), Value::Number(number)) => number != other,
            (Comparison::Below(bound), Value::Number(number)) => number < bound,
            (Comparison::AtMost(bound), Value::Number(number)) => number <= bound,
            (Comparison::Above(bound), Value::Number(number)) => number > bound,
            (Comparison::AtLeast(bound), Value::Number(number)) => number >= bound,
            (Comparison::Between(low, high), Value::Number(number)) => (low..=high).contains(&number),
            (Comparison::VersionIs(other), Value::Version(version)) => version == other,
            (Comparison::VersionIsNot(other), Value::Version(version)) => version != other,
            (Comparison::Matches(range), Value::Version(version)) => range.matches(version),
            (Comparison::Contains(text), Value::Set(set)) => set.contains(text),
            _ => false,
        }
    }
}
