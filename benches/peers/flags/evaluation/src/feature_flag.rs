//! feature-flag.

use std::hint::black_box;
use std::sync::Arc;

use feature_flag::{FlagEvaluator, FlagSet, Subject};
use serde_json::{Value, json};

use crate::flags::{Calls, Question, World};

/// Evaluations by one evaluator, which counts nothing. The subjects are made before.
pub fn feature_flag(world: &'static World, question: Question) -> [Calls; 2] {
    let flags: Vec<Value> = world.flags.iter().map(|(key, question)| flag(world, key, *question)).collect();
    let flags = FlagSet::from_json(&json!({ "flags": flags }).to_string()).expect("valid flags");
    let subjects = (0..world.accounts.len()).map(|turn| {
        let id = world.id(turn, question);
        Subject::new(id).with_attr("plan", world.plan(turn)).with_attr("id", id)
    });
    let subjects: Arc<Vec<Subject>> = Arc::new(subjects.collect());
    let evaluator = FlagEvaluator::new(flags);
    std::array::from_fn(|_| {
        let (evaluator, subjects, mut turns) = (evaluator.clone(), subjects.clone(), world.turns());
        let calls: Calls = Box::new(move |calls| {
            let on = |turn: usize| evaluator.variant_or(black_box(question.key()), &subjects[turn], "off") == "on";
            turns.by_ref().take(calls).filter(|turn| on(*turn)).count()
        });
        calls
    })
}

fn flag(world: &World, key: &str, question: Question) -> Value {
    let one_of =
        |attr: &str, values: Vec<&str>| json!({ "kind": "compare", "attr": attr, "op": "in", "value": values });
    let ids = || World::listed(&world.accounts).map(|account| account.as_str()).collect();
    let when = match question {
        Question::Account => one_of("id", ids()),
        Question::Group => one_of("plan", vec!["team"]),
        _ => json!({ "kind": "always" }),
    };
    let outcome = match question {
        Question::AccountsShare | Question::ProjectsShare => {
            let half = |variant: &str| json!({ "variant": variant, "weight": 50 });
            json!({ "kind": "rollout", "variants": [half("on"), half("off")] })
        }
        _ => json!({ "kind": "variant", "variant": "on" }),
    };
    json!({
        "id": key,
        "variants": ["on", "off"],
        "default_variant": "off",
        "rules": [{ "id": "rule", "when": when, "outcome": outcome }],
        "enabled": question != Question::KillSwitch,
    })
}
