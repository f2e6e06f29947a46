//! The least that is a queue with redelivery: a table, and three prepared statements.

use std::time::Duration;

use netbuild_core::port::{Clock, SystemClock};
use netbuild_queue::postgres::tokio_postgres::{Client, NoTls, Statement, connect};
use tokio::task::JoinSet;

const TABLE: &str = "CREATE TABLE queue (
        id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        visible_at timestamptz NOT NULL DEFAULT 'epoch',
        body       bytea NOT NULL
    ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
    SET synchronous_commit = on;
    SET enable_seqscan = off";

/// A queue of bytes in a table, by one connection.
#[derive(Debug)]
pub struct Raw {
    client: Client,
    insert: Statement,
    take: Statement,
    delete: Statement,
    clock: SystemClock,
    _connection: JoinSet<()>,
}

impl Raw {
    /// An empty queue in a new schema of the database at `address`.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn new(address: &str, schema: &str) -> Self {
        let (client, connection) = connect(address, NoTls).await.expect("the server answers");
        let mut running = JoinSet::new();
        running.spawn(async { connection.await.expect("the connection stays") });
        let make = format!("CREATE SCHEMA {schema}; SET search_path = {schema}; {TABLE}");
        client.batch_execute(&make).await.expect("a table can be made");
        let prepare = async |sql: &str| client.prepare(sql).await.expect("SQL");
        let insert = prepare("INSERT INTO queue (body) SELECT * FROM unnest($1::bytea[])").await;
        let take = prepare(
            "UPDATE queue SET visible_at = now() + '30 s' WHERE id IN
             (SELECT id FROM queue WHERE visible_at <= now() ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
             RETURNING id, body",
        )
        .await;
        let delete = prepare("DELETE FROM queue WHERE id = ANY ($1::bigint[])").await;
        Raw { insert, take, delete, client, clock: SystemClock::new(), _connection: running }
    }

    /// Stores messages in one commit, and answers how long that took.
    ///
    /// # Panics
    /// When the server fails.
    pub async fn publish(&self, batch: &[Vec<u8>]) -> Duration {
        let start = self.clock.monotonic();
        self.client.execute(&self.insert, &[&batch]).await.expect("the server works");
        self.clock.monotonic() - start
    }

    /// Takes out `count` messages, receive and ack in a commit each, and answers how long that took.
    ///
    /// # Panics
    /// When the server fails, or there are fewer.
    pub async fn consume(&self, count: usize) -> Duration {
        let start = self.clock.monotonic();
        let max = i64::try_from(count).unwrap_or(i64::MAX);
        let rows = self.client.query(&self.take, &[&max]).await.expect("the server works");
        assert_eq!(rows.len(), count);
        let taken: Vec<(i64, Vec<u8>)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let ids: Vec<i64> = taken.iter().map(|(id, _)| *id).collect();
        self.client.execute(&self.delete, &[&ids]).await.expect("the server works");
        self.clock.monotonic() - start
    }
}
