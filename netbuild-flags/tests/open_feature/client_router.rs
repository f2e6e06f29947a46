use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join;
use netbuild_core::model::{ExecutorName, Timestamp, Trust};
use netbuild_core::port::Router;
use netbuild_core::testkit::TokioClock;
use netbuild_core::testkit::fixtures::build;
use netbuild_flags::open_feature::{ClientRouter, ClientRule, Refresh};
use open_feature::provider::{FeatureProvider, ProviderMetadata, ResolutionDetails};
use open_feature::{
    EvaluationContext, EvaluationContextFieldValue, EvaluationError, EvaluationErrorCode, EvaluationReason,
    EvaluationResult, OpenFeature, StructValue,
};

/// The handle to a provider of another make: `pods` is on for acme's trusted builds, `vm` for all.
#[derive(Debug, Default)]
struct Script {
    slow: AtomicBool,
    hangs: AtomicBool,
    fails: AtomicBool,
    flipped: AtomicBool,
    asked: AtomicUsize,
}

struct Other(Arc<Script>, ProviderMetadata);

fn unsupported<T>() -> EvaluationResult<ResolutionDetails<T>> {
    Err(EvaluationError { code: EvaluationErrorCode::TypeMismatch, message: None })
}

#[async_trait]
impl FeatureProvider for Other {
    fn metadata(&self) -> &ProviderMetadata {
        &self.1
    }

    async fn resolve_bool_value(
        &self,
        flag: &str,
        context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<bool>> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        if self.0.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.0.slow.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        if self.0.fails.load(Ordering::SeqCst) {
            return Err(EvaluationError { code: EvaluationErrorCode::General("away".to_owned()), message: None });
        }
        let trusted = context.custom_fields["trusted"] == EvaluationContextFieldValue::Bool(true);
        let production = context.custom_fields["context"] == EvaluationContextFieldValue::String("production".into());
        let acme = context.targeting_key.as_deref() == Some("acme") && trusted && production;
        let on = flag == "vm" || acme != self.0.flipped.load(Ordering::SeqCst);
        let details = ResolutionDetails::builder().value(on).variant(if on { "blue" } else { "red" });
        Ok(details.reason(EvaluationReason::TargetingMatch).build())
    }

    async fn resolve_int_value(&self, _: &str, _: &EvaluationContext) -> EvaluationResult<ResolutionDetails<i64>> {
        unsupported()
    }

    async fn resolve_float_value(&self, _: &str, _: &EvaluationContext) -> EvaluationResult<ResolutionDetails<f64>> {
        unsupported()
    }

    async fn resolve_string_value(
        &self,
        _: &str,
        _: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<String>> {
        unsupported()
    }

    async fn resolve_struct_value(
        &self,
        _: &str,
        _: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<StructValue>> {
        unsupported()
    }
}

fn name(executor: &str) -> ExecutorName {
    ExecutorName::new(executor).unwrap()
}

async fn router(script: &Arc<Script>, flags: &[&str]) -> ClientRouter {
    let mut api = OpenFeature::default();
    api.set_provider(Other(script.clone(), ProviderMetadata::new("other"))).await;
    let rules = flags.iter().map(|flag| ClientRule { flag: (*flag).to_owned(), executor: name(flag) }).collect();
    let refresh = Refresh { capacity: 2, ..Refresh::default() };
    ClientRouter::new(api.create_client(), rules, name("old"), refresh, Arc::new(TokioClock::new(Timestamp::EPOCH)))
}

/// Runs the driver for so many seconds.
async fn run(router: &ClientRouter, seconds: u64) {
    router.run(tokio::time::sleep(Duration::from_secs(seconds))).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_at_once_decides_at_once() {
    let script = Arc::new(Script::default());
    let router = router(&script, &["pods"]).await;
    let route = router.route(&build("acme", "site", 1), &[]);
    assert_eq!((route.executor, route.flag.as_deref()), (name("pods"), Some("pods")));
    assert_eq!((&*route.rule, route.snapshot), ("TARGETING_MATCH, variant blue", router.version()));
    let route = router.route(&build("globex", "site", 2), &[]);
    assert_eq!((route.executor, route.flag, &*route.rule), (name("old"), None, "default"));
    let mut untrusted = build("acme", "site", 3);
    untrusted.trust = Trust::Untrusted;
    assert_eq!(router.route(&untrusted, &[]).executor, name("old"));
}

#[tokio::test(start_paused = true)]
async fn rules_are_ordered_and_avoid_is_honoured_where_there_is_a_choice() {
    let router = router(&Arc::new(Script::default()), &["pods", "vm"]).await;
    let build = build("acme", "site", 1);
    for (avoid, executor) in [
        (&["vm"][..], "pods"),
        (&["pods"], "vm"),
        (&["pods", "vm"], "old"),
        (&["pods", "old"], "vm"),
        (&["pods", "vm", "old"], "pods"),
    ] {
        let avoid: Vec<ExecutorName> = avoid.iter().map(|executor| name(executor)).collect();
        assert_eq!(router.route(&build, &avoid).executor, name(executor), "{avoid:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_is_asked_in_the_background_and_the_version_moves() {
    let script = Arc::new(Script::default());
    script.slow.store(true, Ordering::SeqCst);
    let router = router(&script, &["pods"]).await;
    let (acme, before) = (build("acme", "site", 1), router.version());
    let route = router.route(&acme, &[]);
    assert_eq!((route.executor, &*route.rule), (name("old"), "default until the flags answer"));
    let others = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        router.route(&build("globex", "site", 2), &[]);
        assert_eq!(router.version(), before);
    };
    join(run(&router, 3), others).await;
    assert_eq!(router.version(), before + 1, "globex's answer changes no route");
    assert_eq!(router.route(&acme, &[]).executor, name("pods"));
}

#[tokio::test(start_paused = true)]
async fn answers_are_asked_for_again_and_a_change_moves_the_version() {
    let script = Arc::new(Script::default());
    let router = router(&script, &["pods"]).await;
    let (acme, before) = (build("acme", "site", 1), router.version());
    assert_eq!(router.route(&acme, &[]).executor, name("pods"));
    script.flipped.store(true, Ordering::SeqCst);
    run(&router, 29).await;
    assert_eq!((router.route(&acme, &[]).executor, router.version()), (name("pods"), before));
    run(&router, 2).await;
    assert_eq!((router.route(&acme, &[]).executor, router.version()), (name("old"), before + 1));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_fails_or_hangs_keeps_its_last_answers() {
    let script = Arc::new(Script::default());
    let router = router(&script, &["pods"]).await;
    let (acme, before) = (build("acme", "site", 1), router.version());
    assert_eq!(router.route(&acme, &[]).executor, name("pods"));
    for broken in [&script.fails, &script.hangs] {
        broken.store(true, Ordering::SeqCst);
        run(&router, 40).await;
        assert_eq!((router.route(&acme, &[]).executor, router.version()), (name("pods"), before));
    }
    assert!(script.asked.load(Ordering::SeqCst) >= 3, "it was asked again");
    // Before the first answer a failure is off.
    script.hangs.store(false, Ordering::SeqCst);
    assert_eq!(router.route(&build("acme", "blog", 2), &[]).executor, name("old"));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_asks_for_is_forgotten_and_the_cache_is_bounded() {
    let script = Arc::new(Script::default());
    let router = router(&script, &["pods"]).await;
    for n in 0..100 {
        router.route(&build(&format!("account-{n}"), "site", 1), &[]);
    }
    assert_eq!(script.asked.swap(0, Ordering::SeqCst), 100);
    router.route(&build("account-99", "site", 1), &[]);
    assert_eq!(script.asked.load(Ordering::SeqCst), 0, "the newest is kept");
    run(&router, 600).await;
    assert_eq!(script.asked.load(Ordering::SeqCst), 2, "the two that are kept, once: nobody asked for them since");
}
