//! Files by digest.

use netbuild_core::model::Digest;
use netbuild_runner::gateway::GatewayLimits;
use netbuild_runner::protocol::{MAX_MISSING_DIGESTS, MissingRequest};
use reqwest::Method;
use serde_json::json;

use crate::world::{World, answer, attempt};

/// Over the part size of 8 MiB, so that it is stored in parts.
const LARGE: usize = (17 << 20) + 3;

#[tokio::test]
async fn a_file_is_missing_until_it_is_uploaded() {
    let world = World::new().await;
    let (there, missing) = (Digest::of("there"), Digest::of("missing"));
    let ask = async || {
        let question = MissingRequest { digests: vec![missing, there, missing] };
        answer(world.request(Method::POST, "/v1/files/missing", &attempt()).json(&question)).await.body
    };
    assert_eq!(ask().await, json!({"missing": [missing, there]}), "each once, in the order of the question");
    assert_eq!(world.upload(&attempt(), "there").await.status, 204);
    assert_eq!(world.upload(&attempt(), "there").await.status, 204, "again is fine");
    assert_eq!(ask().await, json!({"missing": [missing]}));
    assert_eq!(world.stored().len(), 1);
}

#[tokio::test]
async fn empty_and_large_files_are_stored_as_they_are() {
    let world = World::new().await;
    for bytes in [0, 1, 8 << 20, LARGE] {
        let content = vec![b'x'; bytes];
        assert_eq!(world.upload(&attempt(), content.clone()).await.status, 204, "{bytes}");
        let digest = Digest::of(&content).to_string();
        let path = world.stored().into_iter().find(|path| path.ends_with(&digest)).unwrap();
        assert!(std::fs::read(world.folder.path().join("store").join(path)).unwrap() == content, "{bytes}");
    }
    assert_eq!(world.stored().len(), 4);
}

#[tokio::test]
async fn bytes_of_another_digest_are_refused_and_not_stored() {
    let world = World::new().await;
    for content in [b"other".to_vec(), vec![b'x'; LARGE]] {
        let put = world.request(Method::PUT, &format!("/v1/files/{}", Digest::of("expected")), &attempt());
        assert_eq!(answer(put.body(content)).await.refused(), 422);
        assert!(world.stored().is_empty());
    }
}

#[tokio::test]
async fn a_file_over_the_bound_is_refused_and_not_stored() {
    for (limit, bytes) in [(10, 11), (8 << 20, LARGE)] {
        let world = World::with_limits(GatewayLimits { file_bytes: limit, ..GatewayLimits::default() }).await;
        assert_eq!(world.upload(&attempt(), vec![b'x'; bytes]).await.refused(), 413);
        assert!(world.stored().is_empty());
        assert_eq!(world.upload(&attempt(), "0123456789").await.status, 204, "the bound itself is within it");
    }
}

#[tokio::test]
async fn a_name_that_is_no_digest_is_refused() {
    let world = World::new().await;
    for name in ["x", "..%2f..%2fx", "%ff", &"A".repeat(64), &"a".repeat(63)] {
        let put = world.request(Method::PUT, &format!("/v1/files/{name}"), &attempt()).body("x");
        assert_eq!(answer(put).await.refused(), 422, "{name}");
    }
    assert!(world.stored().is_empty());
}

#[tokio::test]
async fn too_many_digests_in_one_question_are_refused() {
    let world = World::new().await;
    let ask = async |count: usize| {
        let digests = (0..count).map(|n| Digest::of(n.to_string())).collect();
        answer(world.request(Method::POST, "/v1/files/missing", &attempt()).json(&MissingRequest { digests })).await
    };
    assert_eq!(ask(MAX_MISSING_DIGESTS).await.body["missing"].as_array().unwrap().len(), MAX_MISSING_DIGESTS);
    assert_eq!(ask(MAX_MISSING_DIGESTS + 1).await.refused(), 422);
}

#[tokio::test]
async fn a_store_that_fails_may_be_asked_again() {
    let world = World::new().await;
    let in_the_way = world.folder.path().join("store").join(Digest::of("acme").to_string());
    std::fs::write(&in_the_way, "").unwrap();
    for content in ["x".to_owned(), "x".repeat(LARGE)] {
        assert_eq!(world.upload(&attempt(), content).await.refused(), 503);
    }
    std::fs::remove_file(in_the_way).unwrap();
    assert_eq!(world.upload(&attempt(), "x").await.status, 204);
}
