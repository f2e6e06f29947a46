//! The conformance suites of the ports.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::model::Timestamp;
use netbuild_core::port::{Clock, Ledger, Outbox, Queue};
use netbuild_core::testkit::conformance::{self, Report, Subject};
use netbuild_core::testkit::{ManualClock, fixtures};
use netbuild_queue::sqlite::{SqliteOptions, SqliteStore};

use crate::support::{Folder, START, open_with};

const LIMIT: u64 = 10;

/// A port of a store in a file of its own.
struct InFile<P: ?Sized> {
    folder: Folder,
    clock: ManualClock,
    store: SqliteStore,
    port: Arc<P>,
}

/// How the suites come from a store to one of its ports.
#[async_trait]
trait PortOf {
    async fn of(store: &SqliteStore) -> Arc<Self>;
}

#[async_trait]
impl PortOf for dyn Outbox {
    async fn of(store: &SqliteStore) -> Arc<Self> {
        Arc::new(store.outbox(fixtures::publisher("api")).await.unwrap())
    }
}

#[async_trait]
impl PortOf for dyn Queue {
    async fn of(store: &SqliteStore) -> Arc<Self> {
        Arc::new(store.queue())
    }
}

#[async_trait]
impl PortOf for dyn Ledger {
    async fn of(store: &SqliteStore) -> Arc<Self> {
        Arc::new(store.ledger())
    }
}

async fn in_file<P: ?Sized + PortOf>() -> InFile<P> {
    let (folder, clock) = (Folder::new(), ManualClock::new(START));
    let store = open_with(&folder.file(), options(), &clock).await;
    let port = P::of(&store).await;
    InFile { folder, clock, store, port }
}

fn options() -> SqliteOptions {
    SqliteOptions { outbox_limit: LIMIT, queue_limit: LIMIT, max_deliveries: Some(3), ..SqliteOptions::default() }
}

#[async_trait]
impl<P: ?Sized + PortOf + Send + Sync> Subject<P> for InFile<P> {
    fn store(&self) -> Arc<P> {
        self.port.clone()
    }

    fn limit(&self) -> Option<u64> {
        Some(LIMIT)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn pass(&mut self, time: Duration) {
        self.clock.advance(time);
    }

    /// What a crash at this moment would leave: the file and its write-ahead log, without a farewell.
    async fn reopen(&mut self) -> bool {
        let folder = Folder::new();
        fs::copy(self.folder.file(), folder.file()).unwrap();
        fs::copy(wal(&self.folder), wal(&folder)).unwrap();
        self.store = open_with(&folder.file(), options(), &self.clock).await;
        self.port = P::of(&self.store).await;
        self.folder = folder;
        true
    }

    async fn inject(&mut self, bytes: &[u8]) -> bool {
        let file = rusqlite::Connection::open(self.folder.file()).unwrap();
        let text = std::str::from_utf8(bytes).unwrap();
        file.execute("INSERT INTO queue_message (published_at, message) VALUES (0, ?1)", [text]).unwrap();
        file.execute("UPDATE queue_front SET stored = stored + 1", []).unwrap();
        true
    }
}

fn wal(folder: &Folder) -> PathBuf {
    folder.file().with_extension("db-wal")
}

/// A store with bounds that keeps what it has skips nothing, but what is for stores behind a network.
fn assert_conforms(report: &Report) {
    report.assert_all_passed();
    assert!(report.skipped.iter().all(|(_, reason)| reason == "there is no connection to break"), "{report:?}");
}

#[tokio::test]
async fn the_outbox_conforms() {
    assert_conforms(&conformance::outbox::run(in_file::<dyn Outbox>).await);
}

#[tokio::test]
async fn the_queue_conforms() {
    assert_conforms(&conformance::queue::run(in_file::<dyn Queue>).await);
}

#[tokio::test]
async fn the_ledger_conforms() {
    assert_conforms(&conformance::ledger::run(in_file::<dyn Ledger>).await);
}
