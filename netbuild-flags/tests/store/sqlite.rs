//! The store in a SQLite file.

use std::sync::Arc;

use netbuild_core::port::SystemClock;
use netbuild_flags::source::{Source, Watcher};
use netbuild_flags::store::{SqliteStore, Store, StoreError};
use netbuild_flags::{Flags, Overrides};

use crate::conformance::{self, key, on_for, set};

async fn open(path: &std::path::Path) -> SqliteStore {
    SqliteStore::open(path, Arc::new(SystemClock::new())).await.unwrap()
}

#[tokio::test]
async fn it_conforms_and_keeps_everything_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.db");
    let store = Arc::new(open(&path).await);
    conformance::run(store.clone()).await;
    let (loaded, history) = (store.load().await.unwrap(), store.history(None, None, 100).await.unwrap());
    drop(store);
    let store = open(&path).await;
    assert_eq!(store.load().await.unwrap(), loaded);
    assert_eq!(store.history(None, None, 100).await.unwrap(), history);
}

#[tokio::test]
async fn a_change_of_one_process_reaches_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.db");
    let (one, other) = (open(&path).await, open(&path).await);
    let flags = Flags::new(Overrides::none());
    let watcher = Watcher::new(Arc::new(other), flags.clone(), Arc::new(SystemClock::new()));
    let change = async {
        for revision in 1..=3 {
            assert_eq!(one.change(set("pods", on_for(&format!("account-{revision}")))).await.unwrap(), revision);
            while flags.status().revision != Some(revision) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            let snapshot = flags.snapshot().unwrap();
            assert_eq!(snapshot.definitions().flags[&key("pods")], on_for(&format!("account-{revision}")));
        }
    };
    tokio::select! {
        () = watcher.run() => {}
        () = change => {}
    }
}

#[tokio::test]
async fn a_damaged_row_is_told_and_the_last_definitions_stay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.db");
    let store = open(&path).await;
    store.change(set("pods", on_for("acme"))).await.unwrap();
    let flags = Flags::new(Overrides::none());
    let mut watcher = Watcher::new(Arc::new(store.clone()), flags.clone(), Arc::new(SystemClock::new()));
    assert!(watcher.look().await);
    let version = flags.version();
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute("UPDATE flag_definitions SET definitions = '{\"flags\": 3'", []).unwrap();
    assert!(!watcher.look().await);
    assert!(flags.status().problem.unwrap().starts_with("the definitions cannot be read: "));
    assert_eq!(flags.version(), version);
    assert!(matches!(store.change(set("pods", on_for("b"))).await, Err(StoreError::Damaged(_))));
}
