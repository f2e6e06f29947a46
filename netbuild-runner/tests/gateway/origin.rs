//! The reading side.

use futures_util::TryStreamExt;
use netbuild_core::model::{AccountId, Digest, ProjectId};
use netbuild_runner::gateway::{Origin, OriginError};

use crate::world::{World, attempt};

struct Site {
    world: World,
    origin: Origin,
    account: AccountId,
    project: ProjectId,
}

impl Site {
    async fn new() -> Self {
        let world = World::new().await;
        let build = attempt().build;
        Site { origin: Origin::new(world.store.clone()), account: build.account, project: build.project, world }
    }

    async fn materialize(&self, digest: Digest, name: &str) -> Result<(), OriginError> {
        let into = self.world.folder.path().join("sites").join(name);
        self.origin.materialize(&self.account, &self.project, &digest, &into).await.map(|_| ())
    }

    /// Overwrites what the store has under a digest.
    fn damage(&self, digest: Digest, content: &str) {
        let digest = digest.to_string();
        let path = self.world.stored().into_iter().find(|path| path.to_string_lossy().contains(&digest)).unwrap();
        std::fs::write(self.world.folder.path().join("store").join(path), content).unwrap();
    }

    /// The names in the folder of the sites.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.world.folder.path().join("sites"));
        let names = entries.into_iter().flatten().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }
}

#[tokio::test]
async fn a_deploy_becomes_a_folder() {
    let site = Site::new().await;
    let manifest = site.world.deploy(&attempt(), &[("index.html", "a"), ("x/y/z.css", "b"), ("x/empty", "")]).await;
    site.materialize(manifest.digest(), "one").await.unwrap();
    let folder = site.world.folder.path().join("sites/one");
    for (path, content) in [("index.html", "a"), ("x/y/z.css", "b"), ("x/empty", "")] {
        assert_eq!(std::fs::read_to_string(folder.join(path)).unwrap(), content);
    }
    assert_eq!(site.names(), ["one"]);
    let again = site.materialize(manifest.digest(), "one").await;
    assert!(matches!(again, Err(OriginError::Exists(_))));
}

#[tokio::test]
async fn what_a_crash_left_is_replaced() {
    let site = Site::new().await;
    let manifest = site.world.deploy(&attempt(), &[("index.html", "a")]).await;
    let left = site.world.folder.path().join("sites/.one.partial");
    std::fs::create_dir_all(&left).unwrap();
    std::fs::write(left.join("index.html"), "half").unwrap();
    std::fs::write(left.join("other.html"), "").unwrap();
    site.materialize(manifest.digest(), "one").await.unwrap();
    let files = std::fs::read_dir(site.world.folder.path().join("sites/one")).unwrap();
    assert_eq!(files.count(), 1);
    assert_eq!(site.names(), ["one"]);
}

#[tokio::test]
async fn a_damaged_store_makes_no_folder() {
    let site = Site::new().await;
    let manifest = site.world.deploy(&attempt(), &[("index.html", "aaaa"), ("b.html", "b")]).await;
    for damaged in ["aaab", "aaaaa", ""] {
        site.damage(Digest::of("aaaa"), damaged);
        let result = site.materialize(manifest.digest(), "one").await;
        assert!(matches!(result, Err(OriginError::Damaged(digest)) if digest == Digest::of("aaaa")), "{result:?}");
        assert!(site.names().is_empty());
    }
    site.damage(manifest.digest(), r#"{"files":{}}"#);
    assert!(matches!(site.materialize(manifest.digest(), "one").await, Err(OriginError::Damaged(_))));
    assert!(matches!(site.materialize(Digest::of("none"), "one").await, Err(OriginError::NotFound(_))));
    assert!(site.names().is_empty());
}

#[tokio::test]
async fn one_file_can_be_read() {
    let site = Site::new().await;
    site.world.upload(&attempt(), "content").await;
    let file = site.origin.file(&site.account, &site.project, &Digest::of("content")).await.unwrap();
    assert_eq!(file.try_collect::<Vec<_>>().await.unwrap().concat(), b"content");
}
