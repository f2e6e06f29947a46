//! The log store in a folder keeps the contract of its port.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::log::FileLogStore;
use netbuild_core::model::Timestamp;
use netbuild_core::port::LogStore;
use netbuild_core::testkit::conformance::{self, Subject};

struct Folder {
    folder: tempfile::TempDir,
    store: Arc<FileLogStore>,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let store = open(folder.path());
        Folder { folder, store }
    }
}

fn open(folder: &Path) -> Arc<FileLogStore> {
    Arc::new(FileLogStore::new(folder, 1 << 20))
}

#[async_trait]
impl Subject<dyn LogStore> for Folder {
    fn store(&self) -> Arc<dyn LogStore> {
        self.store.clone()
    }

    fn limit(&self) -> Option<u64> {
        None
    }

    fn now(&self) -> Timestamp {
        Timestamp::EPOCH
    }

    async fn pass(&mut self, _time: Duration) {}

    async fn reopen(&mut self) -> bool {
        self.store = open(self.folder.path());
        true
    }
}

#[tokio::test]
async fn the_log_store_in_a_folder_conforms() {
    conformance::log_store::run(async || Folder::new()).await.assert_all_passed();
}
