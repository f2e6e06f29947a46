//! open-feature's client over a provider that is little more than a map.

use std::collections::{HashMap, HashSet};
use std::hint::black_box;
use std::sync::Arc;

use open_feature::provider::{FeatureProvider, ProviderMetadata, ResolutionDetails};
use open_feature::{
    EvaluationContext, EvaluationContextFieldValue, EvaluationError, EvaluationErrorCode, EvaluationResult,
    OpenFeature, StructValue,
};

use crate::flags::{Calls, Question, World};

struct MapProvider {
    metadata: ProviderMetadata,
    flags: HashMap<String, Question>,
    listed: HashSet<String>,
}

impl MapProvider {
    fn is_on(&self, key: &str, context: &EvaluationContext) -> EvaluationResult<bool> {
        let id = context.targeting_key.as_deref().unwrap_or_default();
        let question = self.flags.get(key).ok_or_else(|| refused(EvaluationErrorCode::FlagNotFound))?;
        Ok(match question {
            Question::KillSwitch => false,
            Question::Global => true,
            Question::Account => self.listed.contains(id),
            Question::Group => {
                matches!(context.custom_fields.get("plan"), Some(EvaluationContextFieldValue::String(plan)) if plan == "team")
            }
            Question::AccountsShare | Question::ProjectsShare => {
                murmur3::murmur3_32(&mut id.as_bytes(), 0).unwrap_or_default() % 100 < 50
            }
        })
    }
}

#[async_trait::async_trait]
impl FeatureProvider for MapProvider {
    fn metadata(&self) -> &ProviderMetadata {
        &self.metadata
    }

    async fn resolve_bool_value(
        &self,
        key: &str,
        context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<bool>> {
        self.is_on(key, context).map(ResolutionDetails::new)
    }

    async fn resolve_int_value(&self, _: &str, _: &EvaluationContext) -> EvaluationResult<ResolutionDetails<i64>> {
        Err(refused(EvaluationErrorCode::TypeMismatch))
    }

    async fn resolve_float_value(&self, _: &str, _: &EvaluationContext) -> EvaluationResult<ResolutionDetails<f64>> {
        Err(refused(EvaluationErrorCode::TypeMismatch))
    }

    async fn resolve_string_value(
        &self,
        _: &str,
        _: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<String>> {
        Err(refused(EvaluationErrorCode::TypeMismatch))
    }

    async fn resolve_struct_value(
        &self,
        _: &str,
        _: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<StructValue>> {
        Err(refused(EvaluationErrorCode::TypeMismatch))
    }
}

fn refused(code: EvaluationErrorCode) -> EvaluationError {
    EvaluationError { code, message: None }
}

/// Evaluations by one client, which counts nothing. The contexts are made before, and one future makes all calls.
pub fn open_feature(world: &'static World, question: Question) -> [Calls; 2] {
    let provider = MapProvider {
        metadata: ProviderMetadata::new("map"),
        flags: world.flags.iter().cloned().collect(),
        listed: World::listed(&world.accounts).map(ToString::to_string).collect(),
    };
    let runtime = || tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let client = runtime().block_on(async {
        let mut api = OpenFeature::default();
        api.set_provider(provider).await;
        api.create_client()
    });
    let contexts = (0..world.accounts.len()).map(|turn| {
        let context = EvaluationContext::default().with_targeting_key(world.id(turn, question));
        context.with_custom_field("plan", world.plan(turn))
    });
    let shared = Arc::new((client, contexts.collect::<Vec<_>>()));
    std::array::from_fn(|_| {
        let (shared, mut turns, runtime) = (shared.clone(), world.turns(), runtime());
        let calls: Calls = Box::new(move |calls| {
            let (client, contexts) = &*shared;
            runtime.block_on(async {
                let mut on = 0;
                for turn in turns.by_ref().take(calls) {
                    let answer = client.get_bool_value(black_box(question.key()), Some(&contexts[turn]), None).await;
                    on += usize::from(answer.unwrap_or(false));
                }
                on
            })
        });
        calls
    })
}
