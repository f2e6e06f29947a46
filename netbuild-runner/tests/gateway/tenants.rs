//! Tenants do not meet.

use netbuild_core::model::Digest;
use netbuild_runner::gateway::{Origin, OriginError};
use netbuild_runner::protocol::MissingRequest;
use reqwest::Method;
use serde_json::json;

use crate::world::{World, answer, attempt, attempt_of};

#[tokio::test]
async fn a_file_of_one_tenant_is_missing_for_every_other() {
    let world = World::new().await;
    let manifest = world.deploy(&attempt_of("acme", "site", 1), &[("index.html", "private")]).await;
    let origin = Origin::new(world.store.clone());
    for other in [attempt_of("other", "site", 1), attempt_of("acme", "other", 1), attempt_of("site", "acme", 1)] {
        let question = MissingRequest { digests: vec![Digest::of("private")] };
        let asked = answer(world.request(Method::POST, "/v1/files/missing", &other).json(&question)).await;
        assert_eq!(asked.body, json!({"missing": [Digest::of("private")]}), "{other}");
        let put = world.request(Method::PUT, "/v1/manifest", &other).body(manifest.to_bytes());
        assert_eq!(answer(put).await.refused(), 409, "{other}");
        let (account, project) = (&other.build.account, &other.build.project);
        let read = origin.file(account, project, &Digest::of("private")).await;
        assert!(matches!(read.err(), Some(OriginError::NotFound(_))), "{other}");
        let read = origin.manifest(account, project, &manifest.digest()).await;
        assert!(matches!(read.err(), Some(OriginError::NotFound(_))), "{other}");
    }
}

#[tokio::test]
async fn another_attempt_of_the_project_finds_the_files() {
    let world = World::new().await;
    let manifest = world.deploy(&attempt_of("acme", "site", 1), &[("index.html", "a")]).await;
    let put = world.request(Method::PUT, "/v1/manifest", &attempt_of("acme", "site", 2)).body(manifest.to_bytes());
    assert_eq!(answer(put).await.status, 200);
}

#[tokio::test]
async fn keys_in_the_store_hold_no_text_of_a_tenant() {
    let world = World::new().await;
    let hostile = attempt_of("../../acme", "a/../b", 1);
    let manifest = world.deploy(&hostile, &[("index.html", "a")]).await;
    let tenant = format!("{}/{}", Digest::of("../../acme"), Digest::of("a/../b"));
    let file = Digest::of("a").to_string();
    assert_eq!(
        world.stored(),
        [
            format!("{tenant}/files/{}/{file}", &file[..2]).into(),
            std::path::PathBuf::from(format!("{tenant}/manifests/{}.json", manifest.digest())),
        ]
    );
    assert_ne!(hostile, attempt());
}
