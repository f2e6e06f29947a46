use netbuild_flags::flagd::{self, ImportError};
use serde_json::{Value as Json, json};

fn refused(flag: &Json) -> (String, String) {
    let document = json!({"$evaluators": {"loop": {"!": {"$ref": "loop"}}}, "flags": {"bad": flag, "good": {
        "state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"}}});
    let imported = flagd::import(&document.to_string()).unwrap();
    let keys: Vec<&str> = imported.definitions.flags.keys().map(|key| key.as_str()).collect();
    assert_eq!((keys, imported.refused.len()), (vec!["good"], 1), "{flag}");
    assert_eq!(imported.refused[0].flag, "bad");
    (imported.refused[0].at.clone(), imported.refused[0].reason.clone())
}

#[test]
fn targeting_that_cannot_be_expressed_is_refused_at_its_place() {
    let (account, plan) = (json!({"var": "account"}), json!({"var": "plan"}));
    let (acme, team) = (json!({"==": [account, "acme"]}), json!({"==": [plan, "team"]}));
    for (targeting, at, word) in [
        (json!({"fractional": [["on", 50], ["off", 50]]}), "/fractional", "another hash"),
        (json!({"if": [team, {"fractional": [["on", 50]]}]}), "/if/1/fractional", "another hash"),
        (json!({"if": [{"ends_with": [plan, "m"]}, "on"]}), "/if/0/ends_with", "ends"),
        (json!({"if": [{"and": [team, {"cat": [plan]}]}, "on"]}), "/if/0/and/1/cat", "`cat`"),
        (json!({"if": [{">": [{"var": "$flagd.timestamp"}, 5]}, "on"]}), "/if/0/>", "time"),
        (json!({"if": [{"in": ["tea", plan]}, "on"]}), "/if/0/in", "list only"),
        (json!({"if": [{"==": [plan, 5]}, "on", team, "on"]}), "/if/2/==", "as a text"),
        (json!({"if": [{"==": [{"var": "project"}, "site"]}, "on"]}), "", "its account"),
        (json!({"if": [{"and": [acme, team]}, "on"]}), "", "both accounts"),
        (json!({"if": [team, "on", acme, "off", "on", "on", "off"]}), "/if/4", "one operator"),
        (json!({"if": [team, "on", acme, "off", {"var": "trial"}, "on", "off"]}), "", "exclusion beats"),
        (json!({"if": [team, "off", acme, "on", "off"]}), "", "turned off before"),
        (json!({"if": [{"==": [account, ""]}, "on"]}), "/if/0/==", ""),
        (json!({"if": [team, "blue"]}), "/if/1", "\"blue\""),
        (json!({"if": [team, 5]}), "/if/1", "name of a variant"),
        (json!({"if": [{"$ref": "nope"}, "on"]}), "/if/0/$ref", "\"nope\""),
        (json!({"if": [{"sem_ver": [plan, ">", "one"]}, "on"]}), "/if/0/sem_ver", "one"),
        (json!({"if": [{"==": [{"var": "trial"}, false]}, "on"]}), "/if/0/==", "missing"),
        (json!({"if": [{"==": [{"var": "a b"}, "c"]}, "on"]}), "/if/0/==", "name of an attribute"),
    ] {
        let flag = json!({"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
            "targeting": targeting});
        let (found, reason) = refused(&flag);
        assert_eq!(found, format!("/flags/bad/targeting{at}"), "{targeting}: {reason}");
        assert!(reason.contains(word), "{targeting}: {reason}");
    }
    let endless = json!({"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on",
        "targeting": {"if": [{"$ref": "loop"}, "on"]}});
    let (at, reason) = refused(&endless);
    assert!(at.starts_with("/$evaluators/loop") && reason.contains("deeper"), "{at}: {reason}");
}

#[test]
fn flags_that_are_not_boolean_or_not_whole_are_refused_at_their_place() {
    for (flag, at, word) in [
        (json!({"state": "ENABLED", "variants": {"on": "yes"}, "defaultVariant": "on"}), "/variants/on", "boolean"),
        (json!({"state": "ENABLED", "variants": {"on": true}}), "/defaultVariant", "name a variant"),
        (json!({"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "off"}), "/defaultVariant", "variant"),
        (json!({"state": "ON", "variants": {"on": true}, "defaultVariant": "on"}), "/state", "DISABLED"),
        (json!({"state": "ENABLED", "defaultVariant": "on"}), "/variants", "object"),
    ] {
        let (found, reason) = refused(&flag);
        assert_eq!(found, format!("/flags/bad{at}"), "{flag}: {reason}");
        assert!(reason.contains(word), "{flag}: {reason}");
    }
}

#[test]
fn nothing_is_dropped_silently() {
    let imported = flagd::import(
        r#"{"$schema": "https://flagd.dev/schema/v0/flags.json", "metadata": {"team": "builds"}, "flags": {
            "a/b": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"},
            "off": {"state": "DISABLED", "variants": {"on": true}, "defaultVariant": "on",
                "metadata": {"description": "gone", "owner": "us"}}}}"#,
    )
    .unwrap();
    assert_eq!(imported.refused[0].at, "/flags/a~1b");
    assert_eq!(imported.ignored, ["/$schema", "/metadata", "/flags/off/metadata/owner"]);
    let (_, off) = imported.definitions.flags.first_key_value().unwrap();
    assert!(off.kill && off.global);
    assert_eq!(off.description, "gone");
}

#[test]
fn a_document_that_is_none_is_an_error() {
    assert!(matches!(flagd::import("{"), Err(ImportError::Json(_))));
    assert!(matches!(flagd::import("[]"), Err(ImportError::NoFlags)));
    assert!(matches!(flagd::import(r#"{"flags": 1}"#), Err(ImportError::NoFlags)));
}
