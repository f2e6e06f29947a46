//! An evaluation context as a subject.

use std::collections::BTreeMap;

use netbuild_core::model::{AccountId, ProjectId};

use ::open_feature::{EvaluationContext, EvaluationContextFieldValue as Field, EvaluationError, EvaluationErrorCode};

use crate::{Attributes, Subject, Value, ValueType};

/// For whom an evaluation context asks, with the attributes that are declared.
pub(super) struct Asked {
    account: AccountId,
    project: Option<ProjectId>,
    of_account: Attributes,
    of_project: Attributes,
}

impl Asked {
    /// Reads the context; `declared` are the attributes of the snapshot that is to answer. What no group can ask for is
    /// not read.
    pub(super) fn read(
        context: &EvaluationContext,
        declared: &BTreeMap<String, ValueType>,
    ) -> Result<Self, EvaluationError> {
        let account = match context.custom_fields.get("account") {
            Some(field) => text("account", field)?,
            None => context.targeting_key.as_deref().ok_or_else(no_account)?,
        };
        let account = AccountId::new(account).map_err(|error| invalid("account", &error))?;
        let project = match context.custom_fields.get("project") {
            Some(field) => Some(ProjectId::new(text("project", field)?).map_err(|error| invalid("project", &error))?),
            None => None,
        };
        let attributes = |owner: &'static str| {
            declared.iter().filter_map(move |(full, kind)| {
                let name = full.strip_prefix(owner)?;
                let short = (owner == "account.").then_some(name);
                let fields = &context.custom_fields;
                let field = fields.get(full).or_else(|| fields.get(short?))?;
                Some((name.to_owned(), value(field, *kind)?))
            })
        };
        let of_account = attributes("account.").collect();
        let of_project = attributes("project.").collect();
        Ok(Asked { account, project, of_account, of_project })
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        let subject = match &self.project {
            Some(project) => Subject::project(&self.account, project),
            None => Subject::account(&self.account),
        };
        subject.with_account_attributes(&self.of_account).with_project_attributes(&self.of_project)
    }
}

/// A field as the value of an attribute. One of another type than declared stays what it is: groups say what that means.
#[expect(clippy::cast_precision_loss, reason = "numbers of attributes are floats")]
fn value(field: &Field, declared: ValueType) -> Option<Value> {
    Some(match field {
        Field::Bool(yes) => Value::Bool(*yes),
        Field::Int(number) => Value::Number(*number as f64),
        Field::Float(number) => Value::Number(*number),
        Field::String(text) if declared == ValueType::Version => {
            text.parse().map_or_else(|_| Value::Text(text.clone()), Value::Version)
        }
        Field::String(text) => Value::Text(text.clone()),
        Field::Struct(any) => any.downcast_ref::<Value>()?.clone(),
        Field::DateTime(_) => return None,
    })
}

fn text<'f>(name: &str, field: &'f Field) -> Result<&'f str, EvaluationError> {
    match field {
        Field::String(text) => Ok(text),
        _ => Err(invalid(name, &"it has to be a text")),
    }
}

fn invalid(field: &str, why: &dyn std::fmt::Display) -> EvaluationError {
    let message = format!("the field `{field}` of the evaluation context: {why}");
    EvaluationError { code: EvaluationErrorCode::InvalidContext, message: Some(message) }
}

fn no_account() -> EvaluationError {
    let message = "set the account as the targeting key, or as the field `account`".to_owned();
    EvaluationError { code: EvaluationErrorCode::TargetingKeyMissing, message: Some(message) }
}
