//! A log store that does not answer.

use std::sync::Arc;
use std::time::Duration;

use netbuild_core::testkit::{FakeLogStore, LogStoreMood};
use netbuild_runner::gateway::GatewayLimits;
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::world::{World, answer, attempt, attempt_of};

/// Far over everything that this test waits for; a request may take longer.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_log_store_that_hangs_holds_up_logs_and_nothing_else() {
    let store = FakeLogStore::new(1 << 20);
    store.set(LogStoreMood::Hangs);
    let limits = GatewayLimits { request: 10 * PATIENCE, attempt_connections: 200, ..GatewayLimits::default() };
    let world = World::with_logs(limits, Arc::new(store.clone())).await;
    let mut pieces = JoinSet::new();
    for n in 0..100 {
        // Ten attempts of each of ten accounts, of which one is that of the deploy.
        let account = ["acme", "a", "b", "c", "d", "e", "f", "g", "h", "i"][n % 10];
        let attempt = attempt_of(account, "site", 2 + n as u32);
        pieces.spawn(answer(world.request(Method::PUT, "/v1/log?from=0", &attempt).body("x")));
    }
    let full = async {
        while store.most_calls() < 64 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(timeout(PATIENCE, full).await.is_ok(), "{} slots for logs are taken", store.most_calls());

    let missing = world.request(Method::POST, "/v1/files/missing", &attempt()).json(&json!({"digests": []}));
    let answered = timeout(PATIENCE, answer(missing)).await.expect("a question about files is answered");
    assert_eq!(answered.status, 200);
    timeout(PATIENCE, world.deploy(&attempt(), &[("index.html", "hello")])).await.expect("a deploy goes on");
    assert_eq!(store.most_calls(), 64, "more pieces wait at the door");

    store.set(LogStoreMood::Works);
    while let Some(piece) = pieces.join_next().await {
        assert_eq!(piece.unwrap().status, 200);
    }
}
