//! launchdarkly-server-sdk with its test data, without events.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use launchdarkly_server_sdk::{Client, ConfigBuilder, ContextBuilder, NullEventProcessorBuilder, TestData};
use serde_json::{Value, json};

use crate::flags::{Calls, Question, World};

/// Evaluations by one client, which counts nothing. The contexts are made before.
pub fn launchdarkly(world: &'static World, question: Question) -> [Calls; 2] {
    let data = TestData::new();
    for (key, question) in &world.flags {
        data.use_preconfigured_flag(serde_json::from_value(flag(world, key, *question)).expect("a valid flag"));
    }
    let config = ConfigBuilder::new("unused").data_source(&data).event_processor(&NullEventProcessorBuilder::new());
    let client = Client::build(config.build().expect("a valid configuration")).expect("a client");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        client.start_with_default_executor();
        let started = client.wait_for_initialization(Duration::from_secs(10)).await;
        assert_eq!(started, Some(true), "the test data is there");
    });
    let contexts = (0..world.accounts.len()).map(|turn| {
        let mut context = ContextBuilder::new(world.id(turn, question));
        context.set_value("plan", world.plan(turn).into());
        context.build().expect("a valid context")
    });
    let shared = Arc::new((client, contexts.collect::<Vec<_>>()));
    std::array::from_fn(|_| {
        let (shared, mut turns) = (shared.clone(), world.turns());
        let calls: Calls = Box::new(move |calls| {
            let (client, contexts) = &*shared;
            let on = |turn: usize| client.bool_variation(&contexts[turn], black_box(question.key()), false);
            turns.by_ref().take(calls).filter(|turn| on(*turn)).count()
        });
        calls
    })
}

fn flag(world: &World, key: &str, question: Question) -> Value {
    let otherwise = match question {
        Question::Global => json!({ "variation": 1 }),
        Question::AccountsShare | Question::ProjectsShare => {
            let half = |variation| json!({ "variation": variation, "weight": 50_000 });
            json!({ "rollout": { "variations": [half(0), half(1)] } })
        }
        _ => json!({ "variation": 0 }),
    };
    let ids: Vec<&str> = match question {
        Question::Account => World::listed(&world.accounts).map(|account| account.as_str()).collect(),
        _ => Vec::new(),
    };
    let clause = json!({ "contextKind": "user", "attribute": "plan", "op": "in", "values": ["team"], "negate": false });
    let rules = match question {
        Question::Group => vec![json!({ "id": "teams", "clauses": [clause], "variation": 1, "trackEvents": false })],
        _ => Vec::new(),
    };
    json!({
        "key": key,
        "version": 1,
        "on": question != Question::KillSwitch,
        "targets": [{ "values": ids, "variation": 1 }],
        "rules": rules,
        "prerequisites": [],
        "fallthrough": otherwise,
        "offVariation": 0,
        "variations": [false, true],
        "clientSideAvailability": { "usingMobileKey": false, "usingEnvironmentId": false },
        "salt": "salt",
    })
}
