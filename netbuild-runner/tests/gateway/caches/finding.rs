//! Which entry is found, and by whom.

use netbuild_core::model::Digest;
use netbuild_runner::protocol::{FindCacheResponse, FoundCache};
use reqwest::Method;
use std::time::Duration;

use super::cached::{fork, key_of, tenant, trusted};
use crate::world::{World, answer};

fn found(key: &str, content: &[u8]) -> Option<FoundCache> {
    Some(FoundCache { key: key_of(key), archive: Digest::of(content), bytes: content.len() as u64 })
}

#[tokio::test]
async fn what_a_build_saved_the_next_one_restores() {
    let world = World::new().await;
    let build = trusted(&world);
    assert_eq!(build.find("npm", "lock 1").await, FindCacheResponse { found: None, damage: None, save: true });
    let large = vec![b'x'; (17 << 20) + 3];
    build.save("npm", "lock 1", &large).await;
    assert_eq!(
        build.find("npm", "lock 1").await,
        FindCacheResponse { found: found("lock 1", &large), damage: None, save: false }
    );
    assert!(build.restore("npm", "lock 1").await.unwrap() == large);
    assert_eq!(build.find("pip", "lock 1").await.found, None, "another cache of the project");
}

#[tokio::test]
async fn without_the_key_the_newest_of_the_name_is_found() {
    let world = World::new().await;
    let build = trusted(&world);
    for key in ["lock 2", "lock 1", "lock 3"] {
        build.save("npm", key, key.as_bytes()).await;
        world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(build.find("npm", "lock 1").await.found, found("lock 1", b"lock 1"));
    let other = build.find("npm", "lock 4").await;
    assert_eq!(other, FindCacheResponse { found: found("lock 3", b"lock 3"), damage: None, save: true });
}

#[tokio::test]
async fn a_fork_reads_the_base_and_writes_only_its_own() {
    let world = World::new().await;
    let (base, seven, eight) = (trusted(&world), fork(&world, "7"), fork(&world, "8"));
    base.save("npm", "lock", b"base").await;
    assert_eq!(
        seven.find("npm", "lock").await,
        FindCacheResponse { found: found("lock", b"base"), damage: None, save: true }
    );
    assert_eq!(seven.restore("npm", "lock").await.unwrap(), b"base");

    seven.save("npm", "lock", b"poison").await;
    seven.save("npm", "other lock", b"poison 2").await;
    assert_eq!(seven.restore("npm", "lock").await.unwrap(), b"poison", "its own goes first");
    for build in [&base, &eight] {
        assert_eq!(build.restore("npm", "lock").await.unwrap(), b"base");
        assert_eq!(build.find("npm", "other lock").await.found, found("lock", b"base"));
        assert_eq!(build.read(&Digest::of("poison")).await, Err(404), "also by its digest");
    }
}

#[tokio::test]
async fn the_key_goes_before_the_scope_and_the_scope_before_the_time() {
    let world = World::new().await;
    let (base, seven) = (trusted(&world), fork(&world, "7"));
    seven.save("npm", "old lock", b"own").await;
    world.clock.advance(Duration::from_secs(1));
    base.save("npm", "lock", b"base").await;
    assert_eq!(seven.find("npm", "lock").await.found, found("lock", b"base"), "the key, though of the base");
    assert_eq!(seven.find("npm", "new lock").await.found, found("old lock", b"own"), "its own, though older");
}

#[tokio::test]
async fn tenants_with_equal_names_do_not_meet() {
    let world = World::new().await;
    trusted(&world).save("npm", "lock", b"private").await;
    for other in [tenant(&world, "other", "site"), tenant(&world, "acme", "other"), tenant(&world, "site", "acme")] {
        assert_eq!(other.find("npm", "lock").await, FindCacheResponse { found: None, damage: None, save: true });
        assert_eq!(other.read(&Digest::of("private")).await, Err(404));
        assert_eq!(other.enter("npm", "lock", b"private").await.refused(), 409, "the digest alone is not the archive");
        assert_eq!(other.broken("npm", "lock", b"private").await.status, 204);
    }
    assert_eq!(trusted(&world).restore("npm", "lock").await.unwrap(), b"private");
}

#[tokio::test]
async fn the_first_entry_of_a_key_stays() {
    let world = World::new().await;
    let build = trusted(&world);
    let contents: Vec<_> = (0..8).map(|n| format!("content {n}").into_bytes()).collect();
    for content in &contents {
        assert_eq!(build.upload(content).await.status, 204);
    }
    let saves = contents.iter().map(|content| build.enter("npm", "lock", content));
    for saved in futures_util::future::join_all(saves).await {
        assert_eq!(saved.status, 204);
    }
    let first = build.restore("npm", "lock").await.unwrap();
    build.save("npm", "lock", b"later").await;
    assert_eq!(build.restore("npm", "lock").await.unwrap(), first);
    assert_eq!(world.caches.list(&build.attempt.build.account, &build.attempt.build.project).await.unwrap().len(), 1);
}

#[tokio::test]
async fn nothing_is_found_saved_or_read_without_a_token() {
    let world = World::new().await;
    trusted(&world).save("npm", "lock", b"content").await;
    let archive = format!("/v1/caches/archives/{}", Digest::of("content"));
    for (method, path) in [
        (Method::POST, "/v1/caches/find"),
        (Method::GET, &archive),
        (Method::PUT, &archive),
        (Method::PUT, "/v1/caches/entry"),
        (Method::POST, "/v1/caches/broken"),
    ] {
        assert_eq!(answer(world.bare(method, path)).await.refused(), 401, "{path}");
    }
}
