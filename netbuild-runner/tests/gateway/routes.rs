//! Heartbeats, logs and reports, and who may send them.

use std::time::Duration;

use netbuild_core::model::{Cause, Failure, GatewayKey, MAX_EVIDENCE_BYTES, NameKey, Outcome, Report, RunPhase};
use netbuild_core::port::{NotLeading, Order};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::world::{World, answer, attempt, attempt_of, claim, key, traces};

/// Every route, with a body that is good for it.
fn routes() -> Vec<(Method, String, Vec<u8>)> {
    let digest = netbuild_core::model::Digest::of("x");
    let report = serde_json::to_vec(&Report::of(Outcome::Cancelled)).unwrap();
    vec![
        (Method::POST, "/v1/heartbeat".into(), br#"{"phase":"run"}"#.into()),
        (Method::PUT, "/v1/log?from=0".into(), b"x".into()),
        (Method::POST, "/v1/files/missing".into(), br#"{"digests":[]}"#.into()),
        (Method::PUT, format!("/v1/files/{digest}"), b"x".into()),
        (Method::PUT, "/v1/manifest".into(), br#"{"files":{}}"#.into()),
        (Method::POST, "/v1/report".into(), report),
    ]
}

#[tokio::test]
async fn every_route_needs_a_good_token() {
    let world = World::new().await;
    let foreign = GatewayKey::from(&NameKey::new([2; 32])).token(&claim(&attempt()));
    for (method, path, body) in routes() {
        let send = || world.bare(method.clone(), &path).body(body.clone());
        assert_eq!(answer(send()).await.refused(), 401, "{path} without a token");
        assert_eq!(answer(send().bearer_auth(foreign.expose_secret())).await.refused(), 401, "{path} of another key");
        assert_eq!(answer(send().basic_auth("a", Some("b"))).await.refused(), 401, "{path}");
        let good = answer(send().bearer_auth(key().token(&claim(&attempt())).expose_secret())).await;
        assert!(good.status < 300, "{path}: {good:?}");
    }
}

#[tokio::test]
async fn other_paths_and_methods_are_told_as_such() {
    let world = World::new().await;
    assert_eq!(answer(world.request(Method::GET, "/v1/other", &attempt())).await.refused(), 404);
    assert_eq!(answer(world.request(Method::GET, "/v1/report", &attempt())).await.refused(), 405);
    let file = format!("/v1/files/{}", netbuild_core::model::Digest::of("x"));
    assert_eq!(answer(world.request(Method::GET, &file, &attempt())).await.refused(), 405, "no route reads a file");
}

#[tokio::test]
async fn a_heartbeat_is_answered_by_the_scheduler() {
    let world = World::new().await;
    let beat = || answer(world.request(Method::POST, "/v1/heartbeat", &attempt()).json(&json!({"phase": "collect"})));
    assert_eq!(beat().await.body, json!({"order": "continue", "lease_millis": 60_000}));
    *world.control.answer.lock().unwrap() = Ok(Order::Stop);
    assert_eq!(beat().await.body, json!({"order": "stop"}));
    assert_eq!(*world.control.beats.lock().unwrap(), vec![(attempt(), RunPhase::Collect); 2]);
}

#[tokio::test]
async fn without_a_leader_the_runner_may_ask_again() {
    let world = World::new().await;
    *world.control.answer.lock().unwrap() = Err(NotLeading);
    let report = Report::of(Outcome::Cancelled);
    let beat = || answer(world.request(Method::POST, "/v1/heartbeat", &attempt()).json(&json!({"phase": "run"})));
    let send = || answer(world.request(Method::POST, "/v1/report", &attempt()).json(&report));
    assert_eq!(beat().await.refused(), 503);
    assert_eq!(send().await.refused(), 503);
    *world.control.answer.lock().unwrap() = Ok(Order::Continue { lease: Duration::from_secs(1) });
    assert_eq!(beat().await.status, 200);
    assert_eq!(send().await.status, 204);
    assert_eq!(*world.control.reports.lock().unwrap(), vec![(attempt(), report.clone())]);
}

#[tokio::test]
async fn a_report_with_the_longest_evidence_fits_and_a_longer_body_does_not() {
    let world = World::new().await;
    let failure = Failure::new(Cause::Lost, "\u{1}".repeat(MAX_EVIDENCE_BYTES));
    let report = Report::of(Outcome::Failed(failure));
    let send = || world.request(Method::POST, "/v1/report", &attempt());
    assert_eq!(answer(send().json(&report)).await.status, 204);
    assert_eq!(answer(send().body(" ".repeat(70_000))).await.refused(), 413);
    assert_eq!(answer(send().json(&json!({"outcome": "fine"}))).await.refused(), 422);
    assert_eq!(world.control.reports.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_log_is_kept_by_offset() {
    let mut world = World::new().await;
    let put = async |world: &World, from: u64, bytes: &'static str| {
        let request = world.request(Method::PUT, &format!("/v1/log?from={from}"), &attempt()).body(bytes);
        answer(request).await.body["next"].as_u64().unwrap()
    };
    assert_eq!(put(&world, 0, "hello\n").await, 6);
    assert_eq!(put(&world, 0, "hello\n").await, 6, "a repetition");
    assert_eq!(put(&world, 4, "o\nworld\n").await, 12, "an overlap");
    assert_eq!(put(&world, 99, "").await, 12, "an empty body only asks");
    world.restart().await;
    assert_eq!(put(&world, 20, "end\n").await, 24, "a gap");
    let log = world.logs.read(&attempt(), 0, 1_000).await.unwrap();
    assert_eq!(log.bytes, "hello\nworld\n[netbuild: gap of 8 bytes]\nend\n");
    let other = world.logs.read(&attempt_of("acme", "site", 2), 0, 1_000).await.unwrap();
    assert!(other.bytes.is_empty(), "the log is the attempt's own");
}

#[tokio::test]
async fn a_log_without_an_offset_or_over_the_bound_is_refused() {
    let world = World::new().await;
    let put = |query: &str| world.request(Method::PUT, &format!("/v1/log{query}"), &attempt());
    for query in ["", "?from=", "?from=-1", "?from=x", "?to=1"] {
        assert_eq!(answer(put(query).body("x")).await.refused(), 422, "{query}");
    }
    assert_eq!(answer(put("?from=0").body(vec![b'x'; (1 << 20) + 1])).await.refused(), 413);
    assert_eq!(answer(put("?from=0").body(vec![b'x'; 1 << 20])).await.body, json!({"next": 1 << 20}));
}

#[tokio::test]
async fn a_log_store_that_fails_may_be_asked_again() {
    let world = World::new().await;
    std::fs::write(world.folder.path().join("logs"), "in the way").unwrap();
    let put = || answer(world.request(Method::PUT, "/v1/log?from=0", &attempt()).body("x"));
    assert_eq!(put().await.refused(), 503);
    std::fs::remove_file(world.folder.path().join("logs")).unwrap();
    assert_eq!(put().await.status, 200);
}

#[tokio::test]
async fn a_token_is_still_good_after_a_restart() {
    let mut world = World::new().await;
    let token = key().token(&claim(&attempt()));
    for _ in 0..2 {
        let beat = world.bare(Method::POST, "/v1/heartbeat").bearer_auth(token.expose_secret());
        assert_eq!(answer(beat.json(&json!({"phase": "run"}))).await.status, 200);
        world.restart().await;
    }
}

#[tokio::test]
async fn no_token_is_in_a_trace_or_an_answer() {
    let world = World::new().await;
    *world.control.answer.lock().unwrap() = Err(NotLeading);
    let good = key().token(&claim(&attempt_of("traced", "site", 1)));
    let bad = good.expose_secret().replace('.', ".AAAA");
    for token in [good.expose_secret(), bad.as_str()] {
        for (method, path, body) in routes() {
            let text = answer(world.bare(method, &path).bearer_auth(token).body(body)).await.body.to_string();
            assert!(token.split('.').all(|part| !text.contains(part)), "{path}: {text}");
        }
    }
    let traced = traces().text();
    let seen = traced.lines().any(|line| line.contains("traced/site") && line.contains("refused"));
    assert!(seen, "the test sees the traces of its requests");
    for token in [good.expose_secret(), bad.as_str()] {
        assert!(token.split('.').all(|part| !traced.contains(part)));
    }
}
