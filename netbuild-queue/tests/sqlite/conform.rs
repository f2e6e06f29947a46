//! The conformance suites of the ports.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::model::Timestamp;
use netbuild_core::port::{Clock, Ledger, Outbox, Queue};
use netbuild_core::testkit::conformance::{self, Subject};
use netbuild_core::testkit::{ManualClock, fixtures};
use netbuild_queue::sqlite::{SqliteOptions, SqliteStore};

use crate::support::{Folder, START, open_with};

const LIMIT: u64 = 10;

/// A port of a store in a file of its own.
struct InFile<P: ?Sized> {
    folder: Folder,
    clock: ManualClock,
    /// Kept so that it can be closed before the file is opened again.
    store: Option<SqliteStore>,
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
    InFile { folder, clock, store: Some(store), port }
}

fn options() -> SqliteOptions {
    SqliteOptions { outbox_limit: LIMIT, queue_limit: LIMIT, ..SqliteOptions::default() }
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

    async fn reopen(&mut self) -> bool {
        self.store.take().unwrap().close().await;
        let store = open_with(&self.folder.file(), options(), &self.clock).await;
        self.port = P::of(&store).await;
        self.store = Some(store);
        true
    }
}

#[tokio::test]
async fn the_outbox_conforms() {
    conformance::outbox::run(in_file::<dyn Outbox>).await.assert_all_passed();
}

#[tokio::test]
async fn the_queue_conforms() {
    conformance::queue::run(in_file::<dyn Queue>).await.assert_all_passed();
}

#[tokio::test]
async fn the_ledger_conforms() {
    conformance::ledger::run(in_file::<dyn Ledger>).await.assert_all_passed();
}
