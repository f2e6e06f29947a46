//! What the host does with caches: sweeping, listing, clearing.

use std::path::Path;
use std::time::Duration;

use netbuild_core::model::CacheScope;
use netbuild_runner::gateway::{CacheLimits, Swept};

use super::cached::{Build, fork, name, tenant, trusted};
use crate::world::World;

async fn names(world: &World, build: &Build<'_>) -> Vec<(bool, String, u64)> {
    let (account, project) = (&build.attempt.build.account, &build.attempt.build.project);
    let entries = world.caches.list(account, project).await.unwrap();
    entries.iter().map(|entry| (entry.scope == CacheScope::Trusted, entry.name.to_string(), entry.bytes)).collect()
}

fn has(world: &World, part: &str) -> bool {
    world.stored().iter().any(|path: &std::path::PathBuf| path.to_string_lossy().contains(part))
}

fn entry(trusted: bool, name: &str, bytes: u64) -> (bool, String, u64) {
    (trusted, name.to_owned(), bytes)
}

#[tokio::test]
async fn a_sweep_of_a_store_without_caches_does_nothing() {
    let world = World::new().await;
    assert_eq!(world.caches.sweep().await.unwrap(), Swept::default());
    world.deploy(&trusted(&world).attempt, &[("index.html", "a")]).await;
    let before = world.stored();
    world.clock.advance(Duration::from_secs(365 * 24 * 3600));
    assert_eq!(world.caches.sweep().await.unwrap(), Swept::default());
    assert_eq!(world.stored(), before, "files and manifests are not its affair");
}

#[tokio::test]
async fn a_sweep_removes_what_nobody_used_for_too_long() {
    let world = World::new().await;
    let (build, other) = (trusted(&world), tenant(&world, "other", "site"));
    for build in [&build, &other, &fork(&world, "7")] {
        build.save("npm", "lock", b"content").await;
    }
    world.clock.advance(CacheLimits::default().unused);
    assert_eq!(world.caches.sweep().await.unwrap(), Swept::default(), "the bound itself is within it");
    assert!(other.find("npm", "lock").await.found.is_some());
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.caches.sweep().await.unwrap(), Swept { entries: 2, archives: 0 });
    assert_eq!(names(&world, &build).await, []);
    assert_eq!(names(&world, &other).await, [entry(true, "npm", 7)]);
    assert_eq!(other.restore("npm", "lock").await.unwrap(), b"content");
    assert_eq!(world.stored().len(), 3, "an entry, its archive and its use: {:?}", world.stored());
}

#[tokio::test]
async fn a_sweep_removes_archives_that_a_dead_runner_left_but_not_young_ones() {
    let world = World::new().await;
    let build = trusted(&world);
    build.save("npm", "lock", b"saved").await;
    assert_eq!(build.upload(b"left by a crash").await.status, 204);
    assert_eq!(world.caches.sweep().await.unwrap(), Swept::default(), "its entry may come in a moment");
    world.clock.advance(CacheLimits::default().unsaved + Duration::from_secs(60));
    assert_eq!(world.caches.sweep().await.unwrap(), Swept { entries: 0, archives: 1 });
    assert_eq!(build.enter("npm", "lock 2", b"left by a crash").await.refused(), 409);
    assert_eq!(build.restore("npm", "lock").await.unwrap(), b"saved");
}

#[tokio::test]
async fn a_sweep_forgets_entries_without_their_archive() {
    let world = World::new().await;
    let build = trusted(&world);
    build.save("npm", "lock", b"content").await;
    let archive = world.stored().into_iter().find(|path| path.to_string_lossy().contains("/archives/")).unwrap();
    std::fs::remove_file(Path::new(&world.folder.path().join("store")).join(archive)).unwrap();
    assert_eq!(world.caches.sweep().await.unwrap(), Swept { entries: 1, archives: 0 });
    assert!(world.stored().is_empty());
}

#[tokio::test]
async fn sweeps_beside_saves_and_restores_take_nothing_away() {
    let world = World::new().await;
    let builds = [trusted(&world), fork(&world, "7"), tenant(&world, "other", "site")];
    let work = futures_util::future::join_all(builds.iter().map(async |build| {
        for number in 0..8 {
            let (key, content) = (number.to_string(), format!("content {number}").into_bytes());
            build.save("npm", &key, &content).await;
            assert_eq!(build.restore("npm", &key).await.unwrap(), content);
        }
    }));
    let sweeps = async {
        loop {
            assert_eq!(world.caches.sweep().await.unwrap(), Swept::default());
        }
    };
    tokio::select! {
        _ = work => {}
        () = sweeps => {}
    }
    assert_eq!(names(&world, &builds[0]).await.len(), 16, "of base and fork");
}

#[tokio::test]
async fn people_see_what_is_kept_and_clear_it() {
    let world = World::new().await;
    let (build, other) = (trusted(&world), tenant(&world, "other", "site"));
    let (account, project) = (&build.attempt.build.account, &build.attempt.build.project);
    build.save("npm", "lock", b"npm").await;
    build.save("pip", "lock", b"pip, longer").await;
    // The same archive under two names: it goes with the last of them.
    build.save("npm", "lock 2", b"pip, longer").await;
    fork(&world, "7").save("npm", "lock", b"fork").await;
    other.save("npm", "lock", b"other").await;
    assert_eq!(names(&world, &build).await.len(), 4);

    assert_eq!(world.caches.clear_name(account, project, &name("npm")).await.unwrap(), 3);
    assert_eq!(names(&world, &build).await, [entry(true, "pip", 11)]);
    assert_eq!(build.restore("pip", "lock").await.unwrap(), b"pip, longer");
    assert_eq!(world.caches.clear_name(account, project, &name("npm")).await.unwrap(), 0, "again is fine");

    build.upload(b"not yet an entry").await;
    world.deploy(&build.attempt, &[("index.html", "a")]).await;
    world.caches.clear(account, project).await.unwrap();
    world.caches.clear(account, project).await.unwrap();
    let tenant = netbuild_core::model::Digest::of("acme").to_string();
    assert!(!has(&world, &format!("{tenant}/{}/caches", netbuild_core::model::Digest::of("site"))));
    assert!(has(&world, "/manifests/"), "deploys stay");
    assert_eq!(other.restore("npm", "lock").await.unwrap(), b"other");
}

#[tokio::test]
async fn a_use_is_noted_once_an_hour() {
    let world = World::new().await;
    let build = trusted(&world);
    build.save("npm", "lock", b"content").await;
    world.clock.advance(Duration::from_secs(3599));
    build.find("npm", "lock").await;
    assert!(!has(&world, "/used/"));
    world.clock.advance(Duration::from_secs(1));
    build.find("npm", "lock").await;
    let used = world.caches.list(&build.attempt.build.account, &build.attempt.build.project).await.unwrap()[0].used_at;
    world.clock.advance(Duration::from_secs(3599));
    build.find("npm", "lock").await;
    let entry = &world.caches.list(&build.attempt.build.account, &build.attempt.build.project).await.unwrap()[0];
    assert_eq!((entry.used_at, entry.used_at.since(entry.created_at)), (used, Duration::from_secs(3600)));
}

#[tokio::test]
async fn keys_in_the_store_hold_no_text_of_a_tenant() {
    let world = World::new().await;
    let hostile = tenant(&world, "../../acme", "a/../b");
    hostile.save("npm", "lock", b"content").await;
    fork(&world, "../../7").save("npm", "lock", b"content").await;
    for path in world.stored() {
        let path = path.to_string_lossy();
        for part in path.trim_end_matches(".json").split('/') {
            let digest = part.len() == 64 && part.bytes().all(|b| b.is_ascii_hexdigit());
            assert!(digest || ["caches", "entries", "archives", "used"].contains(&part), "{path}");
        }
    }
    assert_eq!(world.stored().len(), 4);
}
