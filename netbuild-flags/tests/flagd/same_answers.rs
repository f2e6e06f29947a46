use netbuild_core::model::{AccountId, ProjectId, Timestamp};
use netbuild_flags::{Attributes, Definitions, FlagKey, Overrides, Snapshot, Subject, Value, flagd};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::json_logic::apply;

/// Everybody that the conditions below tell apart.
fn subjects() -> Vec<Json> {
    let mut all = Vec::new();
    for account in ["acme", "globex"] {
        for project in [None, Some("site"), Some("blog")] {
            for plan in [None, Some("team"), Some("free \"old\"")] {
                for (seats, runner, trial) in [
                    (None, None, None),
                    (Some(-1.5), Some("1.20.3"), Some(false)),
                    (Some(5.0), Some("1.19.0"), Some(true)),
                    (Some(7.0), Some("2.0.0"), Some(true)),
                ] {
                    let mut data = json!({"account": account, "targetingKey": account});
                    let mut put = |name: &str, value: Json| {
                        if !value.is_null() {
                            data[name] = value;
                        }
                    };
                    put("project", json!(project));
                    put("plan", json!(plan));
                    put("seats", json!(seats));
                    put("runner", json!(runner));
                    put("trial", json!(trial));
                    all.push(data);
                }
            }
        }
    }
    all
}

fn is_on(snapshot: &Snapshot, data: &Json) -> bool {
    let account = AccountId::new(data["account"].as_str().unwrap()).unwrap();
    let project = data["project"].as_str().map(|project| ProjectId::new(project).unwrap());
    let text = |name: &str| data[name].as_str().map(|text| (name.to_owned(), Value::Text(text.to_owned())));
    let known = [
        text("plan"),
        data["seats"].as_f64().map(|seats| ("seats".to_owned(), Value::Number(seats))),
        data["runner"].as_str().map(|runner| ("runner".to_owned(), Value::Version(runner.parse().unwrap()))),
        data["trial"].as_bool().map(|trial| ("trial".to_owned(), Value::Bool(trial))),
    ];
    let known: Attributes = known.into_iter().flatten().collect();
    let subject = match &project {
        Some(project) => Subject::project(&account, project),
        None => Subject::account(&account),
    };
    snapshot.evaluate(&FlagKey::new("flag").unwrap(), &subject.with_account_attributes(&known), false).on
}

fn document(targeting: &Json, default: &str) -> Json {
    json!({
        "$evaluators": {"team": {"==": [{"var": "plan"}, "team"]}},
        "flags": {"flag": {"state": "ENABLED", "variants": {"on": true, "off": false, "true": true, "false": false},
            "defaultVariant": default, "targeting": targeting}},
    })
}

/// Compares with flagd's answers where the flag is taken over; says whether it was.
fn agrees(targeting: &Json, default: &str) -> Result<bool, String> {
    let document = document(targeting, default);
    let imported = flagd::import(&document.to_string()).unwrap();
    if !imported.refused.is_empty() {
        assert_eq!(imported.definitions, Definitions::default(), "nothing of a refused flag stays");
        return Ok(false);
    }
    let snapshot = Snapshot::new(imported.definitions.clone(), &Overrides::default(), Timestamp::EPOCH).unwrap();
    for data in subjects() {
        let outcome = match apply(targeting, &data, &document["$evaluators"]) {
            Json::String(name) => name,
            Json::Bool(yes) => yes.to_string(),
            _ => default.to_owned(),
        };
        let expected = matches!(outcome.as_str(), "on" | "true");
        if is_on(&snapshot, &data) != expected {
            return Err(format!("{data} is {outcome} by flagd; {:#?}", imported.definitions));
        }
    }
    Ok(true)
}

#[test]
fn what_can_be_expressed_is_taken_over_and_answers_the_same() {
    let (account, plan, seats, runner) =
        (json!({"var": "account"}), json!({"var": "plan"}), json!({"var": ["seats"]}), json!({"var": "runner"}));
    let acme = json!({"==": [{"var": "targetingKey"}, "acme"]});
    let site = json!({"and": [acme, {"==": [{"var": "project"}, "site"]}]});
    let team = json!({"$ref": "team"});
    for targeting in [
        json!({}),
        Json::Null,
        json!("on"),
        json!({"if": [acme, "on", "off"]}),
        json!({"if": [{"in": [account, ["acme", "globex"]]}, "on", "off"]}),
        json!({"if": [{"!=": [account, "acme"]}, "on", "off"]}),
        json!({"if": [{"!": [site]}, "on", "off"]}),
        json!({"if": [acme, "off", "on"]}),
        json!({"if": [site, "on"]}),
        json!({"if": [site, "off", "on"]}),
        json!({"if": [team, "on"]}),
        json!({"if": [team, "off", "on"]}),
        json!({"if": [acme, "off", team, "on", "off"]}),
        json!({"if": [acme, "on", team, "on", "off"]}),
        json!({"if": [{"or": [acme, team, site]}, "on", "off"]}),
        json!({"if": [{"and": [{"!=": [account, "acme"]}, team]}, "on", "off"]}),
        json!({"if": [team, {"if": [{">": [seats, 5]}, "on", "off"]}, {"if": [{"var": "trial"}, "on", "off"]}]}),
        json!({"if": [{"!=": [plan, "team"]}, "on", "off"]}),
        json!({"if": [{"==": [plan, "free \"old\""]}, "on", "off"]}),
        json!({"if": [{"starts_with": [plan, "te"]}, "on", "off"]}),
        json!({"if": [{"<": [seats, 6]}, "on", "off"]}),
        json!({"if": [{"<=": [seats, -1]}, "on", "off"]}),
        json!({"if": [{">=": [5, seats]}, "on", "off"]}),
        json!({"if": [{"<": [-2, seats, 7]}, "on", "off"]}),
        json!({"if": [{">": [seats, -1]}, "on", "off"]}),
        json!({"if": [{"in": [seats, [5, 7]]}, "on", "off"]}),
        json!({"if": [{"sem_ver": [runner, "^", "1.0.0"]}, "on", "off"]}),
        json!({"if": [{"sem_ver": [runner, "~", "1.19.7"]}, "on", "off"]}),
        json!({"if": [{"sem_ver": [runner, ">=", "1.20.3"]}, "on", "off"]}),
        json!({"if": [{"sem_ver": [runner, "!=", "2.0.0"]}, "on", "off"]}),
        json!({"if": [{"!": {"sem_ver": [runner, "=", "2.0.0"]}}, "on", "off"]}),
        json!({"==": [plan, "team"]}),
        json!({"if": [true, "on", "off"]}),
        json!({"if": [{"in": [plan, []]}, "on", "off"]}),
    ] {
        for default in ["on", "off"] {
            assert_eq!(agrees(&targeting, default), Ok(true), "{targeting} else {default}");
        }
    }
}

fn condition() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(json!({"==": [{"var": "account"}, "acme"]})),
        Just(json!({"!=": [{"var": "account"}, "globex"]})),
        Just(json!({"and": [{"==": [{"var": "account"}, "acme"]}, {"==": [{"var": "project"}, "site"]}]})),
        Just(json!({"==": [{"var": "project"}, "site"]})),
        Just(json!({"$ref": "team"})),
        Just(json!({"<": [{"var": "seats"}, 6]})),
        Just(json!({"sem_ver": [{"var": "runner"}, "<", "1.20.0"]})),
        Just(json!({"var": "trial"})),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(|parts| json!({"and": parts})),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|parts| json!({"or": parts})),
            inner.prop_map(|part| json!({"!": [part]})),
        ]
    })
}

fn targeting() -> impl Strategy<Value = Json> {
    let outcome = prop_oneof![Just(json!("on")), Just(json!("off")), Just(Json::Null)];
    outcome.prop_recursive(3, 8, 5, |inner| {
        let pairs = prop::collection::vec((condition(), inner.clone()), 1..3);
        (pairs, inner).prop_map(|(pairs, otherwise)| {
            let parts = pairs.into_iter().flat_map(|(condition, then)| [condition, then]).chain([otherwise]);
            json!({"if": parts.collect::<Vec<_>>()})
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_is_taken_over_answers_the_same(targeting in targeting(), default in prop_oneof!["on", "off"]) {
        agrees(&targeting, &default).map_err(TestCaseError::fail)?;
    }
}
