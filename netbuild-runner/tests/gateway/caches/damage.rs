//! A store that was damaged, and runners that lie about it.

use std::path::{Path, PathBuf};

use netbuild_core::model::Digest;
use netbuild_runner::protocol::{CacheDamage, FindCacheResponse};

use super::cached::{Build, fork, tenant, trusted};
use crate::world::World;

const CONTENT: &[u8] = b"what was saved";

const NOTHING: FindCacheResponse = FindCacheResponse { found: None, damage: None, save: true };

fn nothing_but(damage: CacheDamage) -> FindCacheResponse {
    FindCacheResponse { damage: Some(damage), ..NOTHING }
}

/// The only file below the store whose path has this part.
fn stored(world: &World, part: &str) -> PathBuf {
    let mut paths = world.stored().into_iter().filter(|path| path.to_string_lossy().contains(part));
    let path = paths.next().unwrap();
    assert_eq!(paths.next(), None, "one has {part:?}");
    world.folder.path().join("store").join(path)
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// The entry is gone, and the key can be saved and restored again.
async fn is_rebuilt(world: &World, build: &Build<'_>) {
    assert_eq!(build.find("npm", "lock").await, NOTHING, "what was damaged is told once");
    assert!(world.stored().iter().all(|path| !path.to_string_lossy().contains("/entries/")), "it is forgotten");
    build.save("npm", "lock", b"built again").await;
    assert_eq!(build.restore("npm", "lock").await.unwrap(), b"built again");
}

#[tokio::test]
async fn an_archive_that_is_missing_or_has_another_length_is_noticed_when_it_is_found() {
    let length = |is| CacheDamage::Length { is, saved: 14 };
    type Damage = fn(&Path);
    let damages: [(Damage, CacheDamage); 6] = [
        (|path| std::fs::remove_file(path).unwrap(), CacheDamage::Missing),
        (|path| std::fs::write(path, &CONTENT[1..]).unwrap(), length(13)),
        (|path| std::fs::write(path, [CONTENT, b"!"].concat()).unwrap(), length(15)),
        (replace_by_pipe, length(0)),
        (replace_by_device, length(0)),
        (replace_by_folder, CacheDamage::Missing),
    ];
    for (damage, told) in damages {
        let world = World::new().await;
        let build = trusted(&world);
        build.save("npm", "lock", CONTENT).await;
        damage(&stored(&world, "/archives/"));
        let found = timely(build.find("npm", "lock")).await;
        assert_eq!(found, nothing_but(told));
        is_rebuilt(&world, &build).await;
    }
}

fn replace_by_pipe(path: &Path) {
    std::fs::remove_file(path).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

/// It never ends.
fn replace_by_device(path: &Path) {
    std::fs::remove_file(path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", path).unwrap();
}

fn replace_by_folder(path: &Path) {
    std::fs::remove_file(path).unwrap();
    std::fs::create_dir(path).unwrap();
    std::fs::write(path.join("file"), "").unwrap();
}

/// What should be done at once, or fail before a reader gives up.
async fn timely<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(std::time::Duration::from_secs(20), work).await.expect("nothing was opened that never ends")
}

#[tokio::test]
async fn a_pipe_or_a_device_in_the_place_of_an_entry_is_never_opened() {
    for damage in [replace_by_pipe, replace_by_device] {
        let world = World::new().await;
        let build = trusted(&world);
        build.save("npm", "lock", CONTENT).await;
        damage(&stored(&world, "/entries/"));
        assert_eq!(timely(build.find("npm", "lock")).await, nothing_but(CacheDamage::Entry));
        is_rebuilt(&world, &build).await;
    }
}

#[tokio::test]
async fn a_pipe_in_the_place_of_an_archive_is_never_opened_by_who_names_it() {
    let world = World::new().await;
    let build = trusted(&world);
    build.save("npm", "lock", CONTENT).await;
    replace_by_pipe(&stored(&world, "/archives/"));
    assert_eq!(timely(build.read(&Digest::of(CONTENT))).await, Err(404));
    // Before it believes a fork about the base, the gateway looks at the archive itself.
    assert_eq!(timely(fork(&world, "7").broken("npm", "lock", CONTENT)).await.status, 204);
    is_rebuilt(&world, &build).await;
}

#[tokio::test]
async fn a_damaged_entry_does_not_hide_an_older_one() {
    let world = World::new().await;
    let build = trusted(&world);
    build.save("npm", "lock 1", b"older").await;
    world.clock.advance(std::time::Duration::from_secs(1));
    build.save("npm", "lock 2", CONTENT).await;
    std::fs::remove_file(stored(&world, &Digest::of(CONTENT).to_string())).unwrap();
    let found = build.find("npm", "lock 2").await;
    assert_eq!(found.damage, Some(CacheDamage::Missing), "and is told beside it");
    assert_eq!(found.found.unwrap().archive, Digest::of("older"));
    assert_eq!(build.restore("npm", "lock 2").await.unwrap(), b"older");
    assert_eq!(build.restore("npm", "lock 3").await.unwrap(), b"older");
}

#[tokio::test]
async fn a_flipped_byte_is_noticed_by_whoever_reads_and_the_entry_is_rebuilt() {
    let world = World::new().await;
    let build = trusted(&world);
    build.save("npm", "lock", CONTENT).await;
    flip(&stored(&world, "/archives/"));
    assert_ne!(
        build.restore("npm", "lock").await.unwrap(),
        CONTENT,
        "the gateway sends what it has: the runner compares"
    );
    assert_eq!(build.broken("npm", "lock", CONTENT).await.status, 204);
    is_rebuilt(&world, &build).await;
}

#[tokio::test]
async fn a_fork_makes_the_gateway_look_at_the_base_but_is_not_believed() {
    let world = World::new().await;
    let (base, seven) = (trusted(&world), fork(&world, "7"));
    base.save("npm", "lock", CONTENT).await;
    assert_eq!(seven.broken("npm", "lock", CONTENT).await.status, 204);
    assert_eq!(base.restore("npm", "lock").await.unwrap(), CONTENT, "a lie changes nothing");
    flip(&stored(&world, "/archives/"));
    assert_eq!(seven.broken("npm", "lock", b"another archive").await.status, 204);
    assert!(base.find("npm", "lock").await.found.is_some(), "of another archive it says nothing");
    assert_eq!(seven.broken("npm", "lock", CONTENT).await.status, 204);
    is_rebuilt(&world, &base).await;
}

#[tokio::test]
async fn a_build_is_believed_about_its_own_scope() {
    let world = World::new().await;
    let (base, seven, eight) = (trusted(&world), fork(&world, "7"), fork(&world, "8"));
    for build in [&base, &seven, &eight] {
        build.save("npm", "lock", CONTENT).await;
    }
    assert_eq!(seven.broken("npm", "lock", CONTENT).await.status, 204);
    assert!(seven.find("npm", "lock").await.save, "its archive may unpack to nonsense: that only a runner can see");
    for build in [&base, &eight] {
        assert!(!build.find("npm", "lock").await.save, "the others keep theirs");
    }
}

#[tokio::test]
async fn a_damaged_copy_in_the_own_scope_does_not_hide_the_base() {
    let world = World::new().await;
    let (base, seven) = (trusted(&world), fork(&world, "7"));
    assert_eq!(seven.upload(CONTENT).await.status, 204);
    flip(&stored(&world, "/archives/"));
    base.save("npm", "lock", CONTENT).await;
    assert_ne!(seven.restore("npm", "lock").await.unwrap(), CONTENT, "its own copy goes first");
    assert_eq!(seven.broken("npm", "lock", CONTENT).await.status, 204);
    assert_eq!(seven.restore("npm", "lock").await.unwrap(), CONTENT);
}

#[tokio::test]
async fn an_archive_in_the_place_of_another_tenants_is_not_taken_for_it() {
    let world = World::new().await;
    let (build, other) = (trusted(&world), tenant(&world, "other", "site"));
    build.save("npm", "lock", CONTENT).await;
    let own = stored(&world, "/archives/");
    for foreign in [&b"of another length"[..], b"equally long.."] {
        other.save("npm", "lock", foreign).await;
        std::fs::copy(stored(&world, &Digest::of(foreign).to_string()), &own).unwrap();
        let answer = build.find("npm", "lock").await;
        assert_eq!(answer.found.is_none(), answer.damage.is_some());
        if let Some(found) = answer.found {
            assert_eq!(foreign.len(), CONTENT.len());
            let read = build.read(&found.archive).await.unwrap();
            assert_ne!(Digest::of(&read), found.archive, "the digest tells");
            assert_eq!(build.broken("npm", "lock", CONTENT).await.status, 204);
        }
        assert_eq!(build.find("npm", "lock").await, NOTHING);
        other.broken("npm", "lock", foreign).await;
        build.save("npm", "lock", CONTENT).await;
    }
}

#[tokio::test]
async fn an_index_that_lies_is_not_believed() {
    let world = World::new().await;
    let (build, other) = (trusted(&world), tenant(&world, "other", "site"));
    other.save("npm", "lock", b"private").await;
    let foreign = std::fs::read_to_string(stored(&world, "/entries/")).unwrap();
    build.save("npm", "lock", CONTENT).await;
    let entries: Vec<_> =
        world.stored().into_iter().filter(|path| path.to_string_lossy().contains("/entries/")).collect();
    let own = entries.iter().find(|path| path.starts_with(Digest::of("acme").to_string())).unwrap();
    let own = world.folder.path().join("store").join(own);
    let honest = std::fs::read_to_string(&own).unwrap();
    let archive = Digest::of(CONTENT).to_string();
    let lies = [
        foreign,
        String::new(),
        "{".to_owned(),
        honest.replace("npm", "pip"),
        honest.replace("trusted", "untrusted"),
        honest.replace(&format!("\"key\":\"{}", &Digest::of("lock").to_string()[..4]), "\"key\":\"0000"),
        honest.replace(&archive, &Digest::of("private").to_string()),
        honest.replace(&archive, "../../../../etc/passwd"),
        honest.replace("\"bytes\":14", "\"bytes\":15"),
        " ".repeat(65 << 10) + &honest,
    ];
    for lie in lies {
        assert_ne!(lie, honest);
        std::fs::write(&own, &lie).unwrap();
        let found = build.find("npm", "lock").await;
        assert!(found.found.is_none() && found.damage.is_some(), "{lie}: {found:?}");
        assert!(!own.exists(), "{lie}: it is forgotten");
        std::fs::write(&own, &lie).unwrap();
        world.caches.sweep().await.unwrap();
        assert!(!own.exists(), "{lie}: a sweep forgets it too");
        build.save("npm", "lock", CONTENT).await;
        assert_eq!(build.restore("npm", "lock").await.unwrap(), CONTENT);
    }
    assert_eq!(other.restore("npm", "lock").await.unwrap(), b"private");
}
