use std::collections::BTreeSet;

use netbuild_core::model::{AccountId, Timestamp};
use netbuild_flags::open_feature::Provider;
use netbuild_flags::{Definitions, FlagKey, Flags, Overrides, Value};
use open_feature::provider::{FeatureProvider, ProviderStatus};
use open_feature::{
    Client, EvaluationContext, EvaluationContextFieldValue, EvaluationErrorCode, EvaluationReason, FlagMetadataValue,
    OpenFeature,
};

const DEFINITIONS: &str = r#"{
    "attributes": {"account.plan": "text", "account.seats": "number", "account.trial": "bool",
        "account.runner": "version", "account.labels": "set", "project.framework": "text"},
    "groups": {"teams": "account.plan == \"team\"", "large": "account.seats >= 5", "trial": "account.trial",
        "new": "account.runner matches \">=1.20\"", "early": "account.labels contains \"early\"",
        "next": "project.framework == \"next\""},
    "flags": {
        "killed": {"kill": true, "global": true},
        "all": {"global": true},
        "none": {},
        "acme": {"accounts": ["acme"]},
        "site": {"projects": [{"account": "acme", "project": "site"}]},
        "not-acme": {"global": true, "excluded_accounts": ["acme"]},
        "shared": {"accounts_share": 100},
        "teams": {"groups": ["teams"]}, "large": {"groups": ["large"]}, "trial": {"groups": ["trial"]},
        "new": {"groups": ["new"]}, "early": {"groups": ["early"]}, "next": {"groups": ["next"]}
    }
}"#;

fn flags() -> Flags {
    let flags = Flags::new(Overrides::default());
    let definitions: Definitions = serde_json::from_str(DEFINITIONS).unwrap();
    flags.publish(definitions, None, Timestamp::EPOCH).unwrap();
    flags
}

/// A client of an API of its own: the singleton would be shared by all tests.
async fn client(flags: &Flags) -> Client {
    let mut api = OpenFeature::default();
    api.set_provider(Provider::new(flags)).await;
    assert_eq!(api.provider_metadata().await.name, "netbuild-flags");
    api.create_client()
}

fn acme() -> EvaluationContext {
    EvaluationContext::default().with_targeting_key("acme")
}

#[tokio::test]
async fn values_reasons_variants_and_metadata_tell_the_rule() {
    let flags = flags();
    let client = client(&flags).await;
    let site = acme().with_custom_field("project", "site");
    let version = format!("{:016x}", flags.snapshot().unwrap().version());
    for (flag, on, reason, rule) in [
        ("killed", false, EvaluationReason::Disabled, "kill switch"),
        ("all", true, EvaluationReason::Static, "global"),
        ("none", false, EvaluationReason::Default, "no rule says on"),
        ("acme", true, EvaluationReason::TargetingMatch, "account"),
        ("site", true, EvaluationReason::TargetingMatch, "project"),
        ("not-acme", false, EvaluationReason::TargetingMatch, "account excluded"),
        ("shared", true, EvaluationReason::Split, "100% of accounts"),
    ] {
        let details = client.get_bool_details(flag, Some(&site), None).await.unwrap();
        assert_eq!((details.value, details.reason), (on, Some(reason)), "{flag}");
        assert_eq!(details.variant.as_deref(), Some(if on { "on" } else { "off" }), "{flag}");
        assert_eq!(details.flag_metadata.values["rule"], FlagMetadataValue::String(rule.to_owned()), "{flag}");
        assert_eq!(details.flag_metadata.values["snapshot"], FlagMetadataValue::String(version.clone()), "{flag}");
    }
    assert!(!client.get_bool_value("site", Some(&acme()), None).await.unwrap(), "without the project");
}

#[tokio::test]
async fn fields_are_attributes_of_the_declared_types() {
    let client = client(&flags()).await;
    let labels = Value::Set(BTreeSet::from(["early".to_owned()]));
    let field = |name: &str, value: EvaluationContextFieldValue| acme().with_custom_field(name, value);
    for (flag, context, on) in [
        ("teams", field("plan", "team".into()), true),
        ("teams", field("account.plan", "team".into()), true),
        ("teams", field("plan", "free".into()), false),
        ("teams", field("plan", "team".into()).with_custom_field("account.plan", "free"), false),
        ("teams", field("project.plan", "team".into()), false),
        ("large", field("seats", 5_i64.into()), true),
        ("large", field("seats", 4.5_f64.into()), false),
        ("large", field("seats", "5".into()), false),
        ("trial", field("trial", true.into()), true),
        ("new", field("runner", "1.20.3".into()), true),
        ("new", field("runner", "1.19.0".into()), false),
        ("new", field("runner", "newest".into()), false),
        ("early", field("labels", EvaluationContextFieldValue::new_struct(labels)), true),
        ("next", field("project", "site".into()).with_custom_field("project.framework", "next"), true),
        ("next", field("project", "site".into()).with_custom_field("framework", "next"), false),
        ("acme", EvaluationContext::default().with_custom_field("account", "acme"), true),
        ("acme", EvaluationContext::default().with_targeting_key("a-user").with_custom_field("account", "acme"), true),
    ] {
        assert_eq!(client.get_bool_value(flag, Some(&context), None).await, Ok(on), "{flag} {context:?}");
    }
}

#[tokio::test]
async fn errors_have_their_codes_and_leave_the_default_to_the_caller() {
    let client = client(&flags()).await;
    let nobody = EvaluationContext::default();
    for (flag, context, code) in [
        ("all", nobody.clone(), EvaluationErrorCode::TargetingKeyMissing),
        ("all", nobody.clone().with_targeting_key("two\nlines"), EvaluationErrorCode::InvalidContext),
        ("all", nobody.with_custom_field("account", 7), EvaluationErrorCode::InvalidContext),
        ("all", acme().with_custom_field("project", ""), EvaluationErrorCode::InvalidContext),
        ("nope", acme(), EvaluationErrorCode::FlagNotFound),
        ("no key!", acme(), EvaluationErrorCode::FlagNotFound),
    ] {
        let error = client.get_bool_details(flag, Some(&context), None).await.unwrap_err();
        assert_eq!(error.code, code, "{flag} {context:?}");
        assert!(error.message.is_some_and(|message| !message.is_empty()), "{flag} {context:?}");
        assert!(client.get_bool_value(flag, Some(&context), None).await.unwrap_or(true), "the caller's default");
    }
}

#[tokio::test]
async fn other_types_are_a_mismatch() {
    let client = client(&flags()).await;
    let site = acme();
    let mismatch = EvaluationErrorCode::TypeMismatch;
    assert_eq!(client.get_int_value("all", Some(&site), None).await.unwrap_err().code, mismatch);
    assert_eq!(client.get_float_value("all", Some(&site), None).await.unwrap_err().code, mismatch);
    assert_eq!(client.get_string_value("all", Some(&site), None).await.unwrap_err().code, mismatch);
    let structure = client.get_struct_value::<open_feature::StructValue>("all", Some(&site), None).await;
    assert_eq!(structure.unwrap_err().code, mismatch);
    let unknown = client.get_int_value("nope", Some(&site), None).await.unwrap_err();
    assert_eq!(unknown.code, EvaluationErrorCode::FlagNotFound);
}

#[tokio::test]
async fn before_the_first_snapshot_it_is_not_ready_and_afterwards_it_is() {
    let cold = Flags::new(Overrides::default());
    let provider = Provider::new(&cold);
    assert_eq!(provider.status(), ProviderStatus::NotReady);
    let client = client(&cold).await;
    let error = client.get_bool_details("all", Some(&acme()), None).await.unwrap_err();
    assert_eq!(error.code, EvaluationErrorCode::ProviderNotReady);

    cold.publish(serde_json::from_str(DEFINITIONS).unwrap(), None, Timestamp::EPOCH).unwrap();
    assert_eq!(client.get_bool_value("all", Some(&acme()), None).await, Ok(true));
    assert_eq!(provider.status(), ProviderStatus::Ready);
    cold.doubt("the store is away");
    assert_eq!(provider.status(), ProviderStatus::STALE);
    assert_eq!(client.get_bool_value("all", Some(&acme()), None).await, Ok(true));
}

#[tokio::test]
async fn a_context_of_the_client_is_used_and_answers_are_counted() {
    let flags = flags();
    let mut client = client(&flags).await;
    client.set_evaluation_context(acme().with_custom_field("project", "site"));
    for _ in 0..3 {
        assert_eq!(client.get_bool_value("site", None, None).await, Ok(true));
    }
    let (account, flag) = (AccountId::new("acme").unwrap(), FlagKey::new("site").unwrap());
    assert_eq!(flags.exposure().of_account(&flag, &account), 3);
}
