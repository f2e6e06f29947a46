//! What a project may keep and send.

use std::time::Duration;

use netbuild_core::model::Digest;
use netbuild_runner::gateway::{CacheLimits, CacheQuota, GatewayLimits};
use reqwest::Method;
use serde_json::json;
use tokio::time::timeout;

use super::cached::{Build, fork, tenant, trusted};
use crate::world::{World, answer};

/// Far over every limit that these tests set: a test that fails ends.
const PATIENCE: Duration = Duration::from_secs(60);

const SHORT: Duration = Duration::from_millis(100);

fn few(entries: usize, bytes: u64) -> CacheLimits {
    let quota = CacheQuota { entries, bytes };
    CacheLimits { trusted: quota, untrusted_scope: quota, untrusted: quota, ..CacheLimits::default() }
}

/// The keys of `all` that the own scope still has.
async fn kept<'a>(build: &Build<'_>, all: &[&'a str]) -> Vec<&'a str> {
    let mut kept = Vec::new();
    for key in all {
        if !build.find("npm", key).await.save {
            kept.push(*key);
        }
    }
    kept
}

#[tokio::test]
async fn the_least_recently_used_entry_goes_when_there_are_too_many() {
    let world = World::with_cache_limits(few(2, 100)).await;
    let build = trusted(&world);
    build.save("npm", "1", b"one").await;
    world.clock.advance(Duration::from_secs(3600));
    build.save("npm", "2", b"two").await;
    world.clock.advance(Duration::from_secs(3600));
    assert!(build.find("npm", "1").await.found.is_some(), "used now");
    build.save("npm", "3", b"three").await;
    assert_eq!(kept(&build, &["1", "2", "3"]).await, ["1", "3"]);
    assert_eq!(build.read(&Digest::of("two")).await, Err(404), "with its archive");
}

#[tokio::test]
async fn entries_go_when_their_archives_are_too_large_together() {
    let world = World::with_cache_limits(few(10, 100)).await;
    let build = trusted(&world);
    for key in ["1", "2", "3"] {
        build.save("npm", key, &[key.as_bytes()[0]; 50]).await;
        world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(kept(&build, &["1", "2", "3"]).await, ["2", "3"]);
}

#[tokio::test]
async fn an_archive_of_two_entries_stays_with_the_second() {
    let world = World::with_cache_limits(few(2, 100)).await;
    let build = trusted(&world);
    for (key, content) in [("1", b"same"), ("2", b"same"), ("3", b"diff")] {
        build.save("npm", key, content).await;
        world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(kept(&build, &["1", "2", "3"]).await, ["2", "3"]);
    assert_eq!(build.restore("npm", "2").await.unwrap(), b"same");
}

#[tokio::test]
async fn forks_push_each_other_out_but_never_the_base() {
    let world = World::with_cache_limits(few(2, 100)).await;
    let base = trusted(&world);
    base.save("npm", "base", b"base").await;
    for number in ["1", "2", "3", "4"] {
        world.clock.advance(Duration::from_secs(1));
        fork(&world, number).save("npm", number, number.as_bytes()).await;
    }
    assert_eq!(kept(&base, &["base"]).await, ["base"]);
    assert_eq!(kept(&fork(&world, "2"), &["2"]).await, [""; 0]);
    for number in ["3", "4"] {
        assert_eq!(kept(&fork(&world, number), &[number]).await, [number]);
    }
}

#[tokio::test]
async fn somebody_elses_builds_do_not_keep_the_bases_entries_alive() {
    let world = World::with_cache_limits(CacheLimits { unused: Duration::from_secs(7200), ..few(9, 900) }).await;
    let base = trusted(&world);
    base.save("npm", "used", b"used").await;
    base.save("npm", "read by forks", b"read").await;
    world.clock.advance(Duration::from_secs(7000));
    assert!(base.find("npm", "used").await.found.is_some());
    assert!(fork(&world, "7").find("npm", "read by forks").await.found.is_some());
    world.clock.advance(Duration::from_secs(1000));
    world.caches.sweep().await.unwrap();
    assert_eq!(kept(&base, &["used", "read by forks"]).await, ["used"]);
}

#[tokio::test]
async fn an_archive_over_the_bound_is_refused_and_not_stored() {
    for (archive_bytes, quota) in [(10, 100), (100, 10)] {
        let world = World::with_cache_limits(CacheLimits { archive_bytes, ..few(5, quota) }).await;
        for build in [trusted(&world), fork(&world, "7")] {
            assert_eq!(build.upload(b"01234567890").await.refused(), 413);
            assert_eq!(build.upload(&vec![b'x'; 20 << 20]).await.refused(), 413);
            assert!(world.stored().is_empty());
            build.save("npm", "lock", b"0123456789").await;
            assert_eq!(build.restore("npm", "lock").await.unwrap(), b"0123456789", "the bound itself is within it");
            world.caches.clear(&build.attempt.build.account, &build.attempt.build.project).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_archive_that_lies_about_its_digest_is_refused_and_not_stored() {
    let world = World::new().await;
    let build = trusted(&world);
    for content in [b"other".to_vec(), vec![b'x'; 17 << 20]] {
        let path = format!("/v1/caches/archives/{}", Digest::of("expected"));
        assert_eq!(answer(build.request(Method::PUT, &path).body(content)).await.refused(), 422);
        assert!(world.stored().is_empty());
        assert_eq!(build.read(&Digest::of("expected")).await, Err(404));
    }
    for name in ["x", "..%2f..%2fx", "%ff", &"A".repeat(64)] {
        let path = format!("/v1/caches/archives/{name}");
        assert_eq!(answer(build.request(Method::PUT, &path).body("x")).await.refused(), 422, "{name}");
        assert_eq!(answer(build.request(Method::GET, &path)).await.refused(), 422, "{name}");
    }
}

#[tokio::test]
async fn an_entry_needs_its_archive_in_its_own_scope_and_length() {
    let world = World::new().await;
    let (base, seven) = (trusted(&world), fork(&world, "7"));
    assert_eq!(base.enter("npm", "lock", b"content").await.refused(), 409);
    base.save("npm", "lock", b"content").await;
    assert_eq!(seven.enter("npm", "lock", b"content").await.refused(), 409, "the base's is not its own");
    let archive = Digest::of("content");
    for entry in [
        json!({"name": "npm", "key": archive, "archive": archive, "bytes": 8}),
        json!({"name": "npm", "key": archive, "archive": Digest::of("none"), "bytes": 7}),
    ] {
        assert_eq!(answer(base.request(Method::PUT, "/v1/caches/entry").json(&entry)).await.refused(), 409, "{entry}");
    }
    for entry in [
        json!({"name": "../npm", "key": archive, "archive": archive, "bytes": 7}),
        json!({"name": "npm", "key": "../lock", "archive": archive, "bytes": 7}),
        json!({"name": "npm", "key": archive, "archive": archive, "bytes": -7}),
        json!({"name": "x".repeat(5000), "key": archive, "archive": archive, "bytes": 7}),
    ] {
        let refused = answer(base.request(Method::PUT, "/v1/caches/entry").json(&entry)).await.refused();
        assert!([413, 422].contains(&refused), "{entry}: {refused}");
    }
}

#[tokio::test]
async fn archives_that_become_no_entries_cannot_fill_the_store() {
    for (limits, bytes) in [(few(1000, 100), 100), (few(2, 1 << 30), 1)] {
        let world = World::with_cache_limits(CacheLimits { trusted: few(1000, 1000).trusted, ..limits }).await;
        let mut refused = 0;
        for number in 0..10_u8 {
            let build = fork(&world, &number.to_string());
            match build.upload(&vec![number; bytes]).await {
                stored if stored.status == 204 => assert_eq!(refused, 0),
                full => refused += i32::from(full.refused() == 507),
            }
        }
        assert!((6..10).contains(&refused), "{refused}");
        assert_eq!(trusted(&world).upload(b"x").await.status, 204, "the base has its own room");
        assert_eq!(tenant(&world, "other", "site").upload(b"x").await.status, 204, "as everybody else");
        world.clock.advance(Duration::from_secs(3700));
        fork(&world, "7").save("npm", "lock", b"later").await;
    }
}

#[tokio::test]
async fn a_full_project_gets_its_refusal_also_when_it_sends_before_it_reads() {
    let world = World::with_cache_limits(few(1, 30 << 20)).await;
    let build = trusted(&world);
    for content in [b"1", b"2"] {
        assert_eq!(build.upload(content).await.status, 204);
    }
    assert_eq!(build.upload(&vec![b'x'; 20 << 20]).await.refused(), 507);
}

#[tokio::test]
async fn a_reader_that_stalls_gives_its_turn_back() {
    let limits = GatewayLimits { uploads: 1, account_uploads: 1, idle: SHORT, ..GatewayLimits::default() };
    let world = World::with(limits, CacheLimits::default()).await;
    let build = trusted(&world);
    build.save("npm", "lock", b"small").await;
    // More than the sockets take without a reader.
    let large = vec![b'x'; 64 << 20];
    let small = world.stored().into_iter().find(|path| path.ends_with(Digest::of("small").to_string())).unwrap();
    let small = world.folder.path().join("store").join(small);
    std::fs::write(small.with_file_name(Digest::of(&large).to_string()), &large).unwrap();
    let path = format!("/v1/caches/archives/{}", Digest::of(&large));
    let stalled = build.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(stalled.status(), 200);
    let other = tenant(&world, "other", "site");
    assert_eq!(timeout(PATIENCE, other.upload(b"x")).await.unwrap().status, 204, "it had to wait for the turn");
    assert!(stalled.bytes().await.is_err(), "what was cut is not taken for the whole");
}

#[tokio::test]
async fn an_attempt_that_is_over_neither_reads_nor_writes() {
    let limits = GatewayLimits { trust: Duration::ZERO, ..GatewayLimits::default() };
    let world = World::with(limits, CacheLimits::default()).await;
    let build = trusted(&world);
    build.save("npm", "lock", b"content").await;
    assert_eq!(build.upload(b"later").await.status, 204);
    let stored = world.stored();
    world.control.over.lock().unwrap().insert(build.attempt.clone());
    assert_eq!(build.upload(b"new").await.refused(), 410);
    assert_eq!(build.enter("npm", "lock 2", b"later").await.refused(), 410);
    assert_eq!(build.broken("npm", "lock", b"content").await.refused(), 410);
    assert_eq!(build.read(&Digest::of("content")).await, Err(410));
    let wanted = json!({"name": "npm", "key": Digest::of("lock")});
    assert_eq!(answer(build.request(Method::POST, "/v1/caches/find").json(&wanted)).await.refused(), 410);
    assert_eq!(world.stored(), stored);
}

#[tokio::test]
async fn archives_count_as_what_an_attempt_sends() {
    let limits = GatewayLimits { attempt_bytes: 10, ..GatewayLimits::default() };
    let world = World::with(limits, CacheLimits::default()).await;
    let build = trusted(&world);
    assert_eq!(build.upload(b"0123456789").await.status, 204);
    assert_eq!(build.upload(b"x").await.refused(), 403);

    let world = World::with_limits(GatewayLimits { attempt_uploads: 2, ..GatewayLimits::default() }).await;
    let build = trusted(&world);
    assert_eq!(build.upload(b"x").await.status, 204);
    assert_eq!(build.broken("npm", "lock", b"x").await.status, 204);
    assert_eq!(build.broken("npm", "lock", b"x").await.refused(), 403);
}
