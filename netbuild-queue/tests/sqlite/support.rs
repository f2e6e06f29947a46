//! What the tests share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use netbuild_core::model::Timestamp;
use netbuild_core::port::{Event, SystemClock};
use netbuild_core::testkit::ManualClock;
use netbuild_core::testkit::fixtures::{build, event};
use netbuild_queue::sqlite::{SqliteError, SqliteOptions, SqliteStore};
use tempfile::TempDir;

pub(crate) const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A folder of its own for a file, removed at the end.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.path().join("netbuild.db")
    }
}

pub(crate) async fn try_open(path: &Path) -> Result<SqliteStore, SqliteError> {
    SqliteStore::open(path, SqliteOptions::default(), Arc::new(SystemClock::new())).await
}

pub(crate) async fn open(path: &Path) -> SqliteStore {
    try_open(path).await.unwrap()
}

pub(crate) async fn open_with(path: &Path, options: SqliteOptions, clock: &ManualClock) -> SqliteStore {
    SqliteStore::open(path, options, Arc::new(clock.clone())).await.unwrap()
}

pub(crate) fn events(numbers: std::ops::RangeInclusive<u64>) -> Vec<Event> {
    numbers.map(|n| event(build("acme", "site", n))).collect()
}

/// An error with all its causes.
pub(crate) fn text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
