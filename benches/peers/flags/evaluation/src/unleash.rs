//! unleash-api-client, as it is after it has got its flags from a server.

use std::hint::black_box;
use std::sync::Arc;

use serde_json::{Value, json};
use unleash_api_client::client::FeatureKey;
use unleash_api_client::http::{Request, Response, Transport};
use unleash_api_client::{Client, ClientBuilder, Context};

use crate::flags::{Calls, Question, World};

/// Flags are asked for by their names.
#[derive(Clone, Copy, Debug)]
enum NoKeys {}

impl FeatureKey for NoKeys {
    fn name(self) -> &'static str {
        match self {}
    }
}

/// No server is asked.
struct NoServer;

#[async_trait::async_trait]
impl Transport for NoServer {
    async fn execute(&self, _: Request) -> anyhow::Result<Response> {
        Ok(Response { status: 200, body: Vec::new() })
    }
}

/// Evaluations by one client, which counts them. The contexts are made before.
pub fn unleash(world: &'static World, question: Question) -> [Calls; 2] {
    let features: Vec<Value> = world.flags.iter().map(|(key, question)| feature(world, key, *question)).collect();
    let features = serde_json::from_value(json!({ "version": 1, "features": features })).expect("valid features");
    let client: Client<NoKeys> = ClientBuilder::default()
        .enable_string_features()
        .into_client_with_transport("unused", "bench", "bench", None, Arc::new(NoServer))
        .expect("a client");
    client.memoize(features).expect("features that it knows");
    let contexts = (0..world.accounts.len()).map(|turn| Context {
        user_id: Some(world.id(turn, question).to_owned()),
        properties: [("plan".to_owned(), world.plan(turn).to_owned())].into(),
        ..Context::default()
    });
    let shared = Arc::new((client, contexts.collect::<Vec<_>>()));
    std::array::from_fn(|_| {
        let (shared, mut turns) = (shared.clone(), world.turns());
        let calls: Calls = Box::new(move |calls| {
            let (client, contexts) = &*shared;
            let on = |turn: usize| client.is_enabled_str(black_box(question.key()), Some(&contexts[turn]), false);
            turns.by_ref().take(calls).filter(|turn| on(*turn)).count()
        });
        calls
    })
}

fn feature(world: &World, key: &str, question: Question) -> Value {
    let everybody = json!({ "name": "default" });
    let strategy = match question {
        Question::KillSwitch | Question::Global => everybody,
        Question::Account => {
            let ids: Vec<&str> = World::listed(&world.accounts).map(|account| account.as_str()).collect();
            json!({ "name": "userWithId", "parameters": { "userIds": ids.join(",") } })
        }
        Question::Group => json!({
            "name": "default",
            "constraints": [{ "contextName": "plan", "operator": "IN", "values": ["team"] }],
        }),
        Question::AccountsShare | Question::ProjectsShare => json!({
            "name": "flexibleRollout",
            "parameters": { "stickiness": "userId", "groupId": key, "rollout": "50" },
        }),
    };
    json!({ "name": key, "enabled": question != Question::KillSwitch, "strategies": [strategy] })
}
