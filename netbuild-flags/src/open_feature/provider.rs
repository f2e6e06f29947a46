//! These flags for any OpenFeature client.

use std::sync::{Arc, Mutex, PoisonError};

use ::open_feature::provider::{FeatureProvider, ProviderMetadata, ProviderStatus, ResolutionDetails};
use ::open_feature::{
    EvaluationContext, EvaluationError, EvaluationErrorCode, EvaluationReason, EvaluationResult, FlagMetadata,
    StructValue,
};
use async_trait::async_trait;

use super::context::Asked;
use crate::{Evaluator, FlagKey, Flags, Rule, Snapshot};

/// Answers OpenFeature clients by [`Flags`]. Every answer is there at once, and counted.
///
/// # The evaluation context
/// | field | what it is |
/// |---|---|
/// | `account`, or else the targeting key | the account; one of them has to be there |
/// | `project` | the project |
/// | `account.plan`, or else `plan` | the attribute `plan` of the account |
/// | `project.framework` | the attribute `framework` of the project |
///
/// Only attributes that the definitions declare are read. A text is parsed where a version is declared; a set is given as
/// a struct field that holds a [`Value::Set`](crate::Value::Set).
///
/// # Answers
/// Flags are boolean; a flag asked for as another type is a `TYPE_MISMATCH`. The variant is `on` or `off`. The metadata
/// holds the `rule` in words and the version of the `snapshot` in hexadecimal, as explanations write it.
///
/// | reason | rule |
/// |---|---|
/// | `DISABLED` | the kill switch |
/// | `TARGETING_MATCH` | an exclusion, the account, the project or a group |
/// | `SPLIT` | a percentage |
/// | `STATIC` | global, or the override of the process |
/// | `DEFAULT` | no rule says on |
///
/// ```
/// use netbuild_flags::{Flags, Overrides, open_feature::Provider};
/// use open_feature::OpenFeature;
///
/// # async fn example() {
/// let flags = Flags::new(Overrides::default());
/// let mut api = OpenFeature::default();
/// api.set_provider(Provider::new(&flags)).await;
/// let client = api.create_client();
/// let pods = client.get_bool_value("builds-in-pods", None, None).await.unwrap_or(false);
/// # let _ = pods;
/// # }
/// ```
#[derive(Debug)]
pub struct Provider {
    flags: Flags,
    /// Clients share it: an answer holds it for less than a microsecond, and never across an await.
    evaluator: Mutex<Evaluator>,
    metadata: ProviderMetadata,
}

impl Provider {
    /// A provider of these flags, named `netbuild-flags`.
    pub fn new(flags: &Flags) -> Self {
        let evaluator = Mutex::new(flags.evaluator());
        Provider { flags: flags.clone(), evaluator, metadata: ProviderMetadata::new("netbuild-flags") }
    }

    fn resolve(&self, flag: &str, context: &EvaluationContext) -> EvaluationResult<ResolutionDetails<bool>> {
        let (key, snapshot) = self.find(flag)?;
        let asked = Asked::read(context, &snapshot.definitions().attributes)?;
        let decision = {
            let mut evaluator = self.evaluator.lock().unwrap_or_else(PoisonError::into_inner);
            evaluator.evaluate_in(&snapshot, &key, &asked.subject(), false)
        };
        let metadata = FlagMetadata::default()
            .with_value("rule", snapshot.words(decision.rule).to_string())
            .with_value("snapshot", format!("{:016x}", decision.version));
        Ok(ResolutionDetails {
            value: decision.on,
            variant: Some(if decision.on { "on" } else { "off" }.to_owned()),
            reason: Some(reason(decision.rule)),
            flag_metadata: Some(metadata),
        })
    }

    /// The snapshot in force, and the key of a flag that it has.
    fn find(&self, flag: &str) -> EvaluationResult<(FlagKey, Arc<Snapshot>)> {
        let Some(snapshot) = self.flags.snapshot() else {
            let message = "no definitions have been published yet".to_owned();
            return Err(EvaluationError { code: EvaluationErrorCode::ProviderNotReady, message: Some(message) });
        };
        match FlagKey::new(flag).ok().filter(|key| snapshot.index(key).is_some()) {
            Some(key) => Ok((key, snapshot)),
            None => {
                let message = format!("no flag {flag:?} is defined");
                Err(EvaluationError { code: EvaluationErrorCode::FlagNotFound, message: Some(message) })
            }
        }
    }

    fn mismatch<T>(&self, flag: &str, asked: &str) -> EvaluationResult<ResolutionDetails<T>> {
        self.find(flag)?;
        let message = format!("the flag {flag:?} is boolean, and was asked for as {asked}");
        Err(EvaluationError { code: EvaluationErrorCode::TypeMismatch, message: Some(message) })
    }
}

fn reason(rule: Rule) -> EvaluationReason {
    match rule {
        Rule::KillSwitch => EvaluationReason::Disabled,
        Rule::ExcludedProject | Rule::ExcludedAccount | Rule::Account | Rule::Project | Rule::Group(_) => {
            EvaluationReason::TargetingMatch
        }
        Rule::AccountsShare(_) | Rule::ProjectsShare(_) => EvaluationReason::Split,
        Rule::Override | Rule::Global => EvaluationReason::Static,
        Rule::Nothing | Rule::UnknownFlag | Rule::NoSnapshot => EvaluationReason::Default,
    }
}

#[async_trait]
impl FeatureProvider for Provider {
    /// Not ready before the first snapshot; stale while the newest definitions, or their source, are of no use.
    fn status(&self) -> ProviderStatus {
        let status = self.flags.status();
        match (status.version, status.problem) {
            (None, _) => ProviderStatus::NotReady,
            (Some(_), None) => ProviderStatus::Ready,
            (Some(_), Some(_)) => ProviderStatus::STALE,
        }
    }

    fn metadata(&self) -> &ProviderMetadata {
        &self.metadata
    }

    async fn resolve_bool_value(
        &self,
        flag: &str,
        context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<bool>> {
        self.resolve(flag, context)
    }

    async fn resolve_int_value(&self, flag: &str, _: &EvaluationContext) -> EvaluationResult<ResolutionDetails<i64>> {
        self.mismatch(flag, "an integer")
    }

    async fn resolve_float_value(&self, flag: &str, _: &EvaluationContext) -> EvaluationResult<ResolutionDetails<f64>> {
        self.mismatch(flag, "a float")
    }

    async fn resolve_string_value(
        &self,
        flag: &str,
        _: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<String>> {
        self.mismatch(flag, "a string")
    }

    async fn resolve_struct_value(
        &self,
        flag: &str,
        _: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<StructValue>> {
        self.mismatch(flag, "a struct")
    }
}
