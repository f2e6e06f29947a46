//! The conformance suites of the ports.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use netbuild_core::model::Timestamp;
use netbuild_core::port::{Clock, Ledger, Outbox, Queue, SystemClock};
use netbuild_core::testkit::conformance::{self, Report, Subject};
use netbuild_core::testkit::fault_proxy::{Direction, FaultProxy};
use netbuild_core::testkit::fixtures;
use netbuild_queue::postgres::tokio_postgres::Client;
use netbuild_queue::postgres::{PostgresOptions, PostgresStore};
use netbuild_servers::PostgresServer;
use tokio::sync::Mutex;

use super::support::{Server, client, open};

const LIMIT: u64 = 10;

/// A port of a store in a schema of its own.
struct InSchema<P: ?Sized> {
    server: Arc<Mutex<Server>>,
    options: PostgresOptions,
    /// Past the adapter.
    client: Client,
    proxy: FaultProxy,
    store: PostgresStore,
    port: Arc<P>,
    passed: Duration,
}

/// How the suites come from a store to one of its ports.
#[async_trait]
trait PortOf {
    async fn of(store: &PostgresStore) -> Arc<Self>;
}

#[async_trait]
impl PortOf for dyn Outbox {
    async fn of(store: &PostgresStore) -> Arc<Self> {
        Arc::new(store.outbox(fixtures::publisher("api")).await.unwrap())
    }
}

#[async_trait]
impl PortOf for dyn Queue {
    async fn of(store: &PostgresStore) -> Arc<Self> {
        Arc::new(store.queue())
    }
}

#[async_trait]
impl PortOf for dyn Ledger {
    async fn of(store: &PostgresStore) -> Arc<Self> {
        Arc::new(store.ledger())
    }
}

/// Gives every case a schema of one server.
struct Schemas {
    server: Arc<Mutex<Server>>,
    made: AtomicU64,
}

impl Schemas {
    fn new() -> Self {
        Schemas { server: Arc::new(Mutex::new(Server::start())), made: AtomicU64::new(0) }
    }

    async fn fresh<P: ?Sized + PortOf>(&self) -> InSchema<P> {
        let options = PostgresOptions {
            schema: format!("case_{}", self.made.fetch_add(1, Ordering::Relaxed)),
            connections: 4,
            outbox_limit: LIMIT,
            queue_limit: LIMIT,
            max_deliveries: Some(3),
            ..PostgresOptions::default()
        };
        let (direct, proxy) = {
            let server = &self.server.lock().await.server;
            (server.url(), FaultProxy::start(server.addr()).await.unwrap())
        };
        let store = open(&through(&proxy), options.clone()).await;
        let client = client(&direct).await;
        // The database's clock, moved by what a case lets pass.
        let clock = "SET search_path = SCHEMA; CREATE TABLE test_clock AS SELECT 0::bigint AS passed;
            CREATE OR REPLACE FUNCTION now_ms() RETURNS bigint LANGUAGE sql STABLE AS
            $$ SELECT floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint + passed FROM test_clock $$";
        client.batch_execute(&clock.replace("SCHEMA", &options.schema)).await.unwrap();
        let port = P::of(&store).await;
        InSchema { server: self.server.clone(), options, client, proxy, store, port, passed: Duration::ZERO }
    }
}

fn through(proxy: &FaultProxy) -> String {
    PostgresServer::url_at(proxy.addr())
}

#[async_trait]
impl<P: ?Sized + PortOf + Send + Sync> Subject<P> for InSchema<P> {
    fn store(&self) -> Arc<P> {
        self.port.clone()
    }

    fn limit(&self) -> Option<u64> {
        Some(LIMIT)
    }

    fn now(&self) -> Timestamp {
        SystemClock::new().now() + self.passed
    }

    async fn pass(&mut self, time: Duration) {
        self.passed += time;
        let passed = i64::try_from(self.passed.as_millis()).unwrap();
        self.client.execute("UPDATE test_clock SET passed = $1", &[&passed]).await.unwrap();
    }

    async fn reopen(&mut self) -> bool {
        let mut server = self.server.lock().await;
        server.server.kill();
        server.server.start_again().unwrap();
        self.client = client(&server.server.url()).await;
        self.client.batch_execute(&format!("SET search_path = {}", self.options.schema)).await.unwrap();
        self.store = open(&through(&self.proxy), self.options.clone()).await;
        self.port = P::of(&self.store).await;
        true
    }

    async fn cut(&mut self) -> bool {
        self.proxy.reset();
        true
    }

    async fn cut_after(&mut self, bytes: u64) -> bool {
        self.proxy.cut_after(bytes, Direction::ToServer);
        true
    }

    async fn inject(&mut self, bytes: &[u8]) -> bool {
        let insert = "INSERT INTO queue_ready (published_at, body) VALUES (0, $1)";
        self.client.execute(insert, &[&bytes]).await.unwrap();
        true
    }
}

fn assert_conforms(report: &Report) {
    report.assert_all_passed();
    assert_eq!(report.skipped, [], "a store with bounds, connections and a clock that can be moved skips nothing");
}

#[tokio::test]
async fn the_outbox_conforms() {
    let schemas = Schemas::new();
    assert_conforms(&conformance::outbox::run(async || schemas.fresh::<dyn Outbox>().await).await);
}

#[tokio::test]
async fn the_queue_conforms() {
    let schemas = Schemas::new();
    assert_conforms(&conformance::queue::run(async || schemas.fresh::<dyn Queue>().await).await);
}

#[tokio::test]
async fn the_ledger_conforms() {
    let schemas = Schemas::new();
    assert_conforms(&conformance::ledger::run(async || schemas.fresh::<dyn Ledger>().await).await);
}
