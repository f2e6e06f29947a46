//! Manifests: taken only when all of their files are there.

use netbuild_core::model::{Digest, Manifest, ManifestFile, PublishPath};
use netbuild_runner::gateway::GatewayLimits;
use reqwest::Method;
use serde_json::json;

use crate::world::{Answer, World, answer, attempt, manifest_of};

async fn put(world: &World, bytes: impl Into<reqwest::Body>) -> Answer {
    answer(world.request(Method::PUT, "/v1/manifest", &attempt()).body(bytes)).await
}

#[tokio::test]
async fn a_manifest_is_taken_when_its_files_are_there() {
    let world = World::new().await;
    let manifest = manifest_of(&[("index.html", "a"), ("b/b.html", "b"), ("b/copy.html", "b")]);
    let early = put(&world, manifest.to_bytes()).await;
    assert_eq!(early.refused(), 409);
    assert!(early.body["error"].as_str().unwrap().starts_with("2 of 2 files"), "{early:?}");
    world.upload(&attempt(), "a").await;
    let early = put(&world, manifest.to_bytes()).await;
    assert!(early.body["error"].as_str().unwrap().starts_with("1 of 2 files"), "{early:?}");
    world.upload(&attempt(), "b").await;
    for _ in 0..2 {
        assert_eq!(put(&world, manifest.to_bytes()).await.body, json!({"digest": manifest.digest()}));
    }
    assert_eq!(world.stored().len(), 3);
}

#[tokio::test]
async fn the_digest_is_of_the_manifest_and_not_of_its_spaces() {
    let world = World::new().await;
    let manifest = world.deploy(&attempt(), &[("index.html", "a")]).await;
    let spaced = serde_json::to_vec_pretty(&manifest).unwrap();
    assert_eq!(put(&world, spaced).await.body, json!({"digest": manifest.digest()}));
}

#[tokio::test]
async fn a_file_of_another_size_counts_as_missing() {
    let world = World::new().await;
    world.upload(&attempt(), "a").await;
    let file = ManifestFile { digest: Digest::of("a"), bytes: 2 };
    let manifest = Manifest { files: [(PublishPath::parse("a").unwrap(), file)].into() };
    assert_eq!(put(&world, manifest.to_bytes()).await.refused(), 409);
}

#[tokio::test]
async fn what_is_no_manifest_is_refused() {
    let world = World::with_limits(GatewayLimits { manifest_bytes: 1_000, ..GatewayLimits::default() }).await;
    world.upload(&attempt(), "a").await;
    let good = String::from_utf8(manifest_of(&[("index.html", "a")]).to_bytes()).unwrap();
    for bad in ["", "{}", &good.replace("index", "../index"), &good.replace("index.html", "/etc/passwd")] {
        assert_eq!(put(&world, bad.to_owned()).await.refused(), 422, "{bad}");
    }
    let both = manifest_of(&[("a", "a"), ("a/b", "a")]);
    assert_eq!(put(&world, both.to_bytes()).await.refused(), 422);
    assert_eq!(put(&world, " ".repeat(1_001)).await.refused(), 413);
    assert_eq!(world.stored().len(), 1, "the file alone");
    assert_eq!(put(&world, good).await.status, 200);
}
