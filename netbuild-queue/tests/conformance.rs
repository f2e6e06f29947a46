//! The SQLite stores keep the contracts of their ports.

#![expect(clippy::unwrap_used, reason = "this is a test")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::model::Timestamp;
use netbuild_core::port::{Clock, Ledger, Outbox, Queue};
use netbuild_core::testkit::conformance::{self, Subject};
use netbuild_core::testkit::{ManualClock, fixtures};
use netbuild_queue::sqlite::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

const LIMIT: u64 = 10;

/// A store in a file of its own, on a manual clock.
struct Sqlite<P: ?Sized> {
    folder: TempDir,
    clock: ManualClock,
    port: Arc<P>,
    open: fn(SqliteStore) -> futures_util::future::BoxFuture<'static, Arc<P>>,
}

impl<P: ?Sized> Sqlite<P> {
    async fn fresh(open: fn(SqliteStore) -> futures_util::future::BoxFuture<'static, Arc<P>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(Timestamp::from_millis(1_700_000_000_000));
        let port = open(store(&folder, &clock).await).await;
        Sqlite { folder, clock, port, open }
    }
}

async fn store(folder: &TempDir, clock: &ManualClock) -> SqliteStore {
    let options = SqliteOptions {
        outbox_limit: LIMIT,
        queue_limit: LIMIT,
        redelivery_after: Duration::from_secs(30),
        ..SqliteOptions::default()
    };
    SqliteStore::open(folder.path().join("netbuild.db"), options, Arc::new(clock.clone())).await.unwrap()
}

#[async_trait]
impl<P: ?Sized + Send + Sync> Subject<P> for Sqlite<P> {
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
        // The old store stays open meanwhile, as a process that froze: the file alone carries over.
        self.port = (self.open)(store(&self.folder, &self.clock).await).await;
        true
    }
}

#[tokio::test]
async fn the_outbox_conforms() {
    let open = |store: SqliteStore| -> futures_util::future::BoxFuture<'static, Arc<dyn Outbox>> {
        Box::pin(async move { Arc::new(store.outbox(fixtures::publisher("api")).await.unwrap()) as Arc<dyn Outbox> })
    };
    conformance::outbox::run(async || Sqlite::fresh(open).await).await.assert_all_passed();
}

#[tokio::test]
async fn the_queue_conforms() {
    let open = |store: SqliteStore| -> futures_util::future::BoxFuture<'static, Arc<dyn Queue>> {
        Box::pin(async move { Arc::new(store.queue()) as Arc<dyn Queue> })
    };
    conformance::queue::run(async || Sqlite::fresh(open).await).await.assert_all_passed();
}

#[tokio::test]
async fn the_ledger_conforms() {
    let open = |store: SqliteStore| -> futures_util::future::BoxFuture<'static, Arc<dyn Ledger>> {
        Box::pin(async move { Arc::new(store.ledger()) as Arc<dyn Ledger> })
    };
    conformance::ledger::run(async || Sqlite::fresh(open).await).await.assert_all_passed();
}
