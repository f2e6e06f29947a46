//! The host as it was before netbuild: a table, and connections that write to it.

use std::error::Error;

use netbuild_queue::postgres::tokio_postgres::{Client, Error as ClientError, NoTls, connect};
use tokio::task::JoinSet;
use uuid::Uuid;

/// How many connections of the host record at once.
pub(crate) const CONNECTIONS: u32 = 4;

/// One of so many transactions is rolled back.
const ROLLED_BACK: u32 = 7;

/// The host's tables. What makes the numbers fit for an outbox is `push_counter`: its row is locked from the moment that a
/// number is taken until the commit, so numbers are given in the order of the commits, and a rollback leaves no gap. A
/// sequence would do neither.
const TABLES: &str = "
DROP SCHEMA IF EXISTS own_outbox CASCADE;
DROP SCHEMA IF EXISTS own_outbox_queue CASCADE;
CREATE SCHEMA own_outbox;
CREATE TABLE own_outbox.push_counter (number bigint NOT NULL, published bigint NOT NULL);
INSERT INTO own_outbox.push_counter VALUES (0, 0);
CREATE TABLE own_outbox.push (
    number      bigint PRIMARY KEY,
    id          uuid NOT NULL UNIQUE,
    customer    text NOT NULL,
    repository  text NOT NULL,
    branch      text NOT NULL,
    pushed_at   timestamptz NOT NULL DEFAULT now()
);";

/// How the host has always written an event, now with a number: one statement in whatever transaction it is in.
pub(crate) const RECORD: &str =
    "WITH counted AS (UPDATE own_outbox.push_counter SET number = number + 1 RETURNING number)
    INSERT INTO own_outbox.push (number, id, customer, repository, branch)
    SELECT number, $1, $2, $3, $4 FROM counted RETURNING number";

/// A connection, and the task that drives it.
pub(crate) struct Connected {
    pub(crate) client: Client,
    _driver: JoinSet<()>,
}

impl Connected {
    pub(crate) async fn to(address: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let (client, connection) = connect(address, NoTls).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async {
            // Whoever waits for an answer is told by the client.
            let _ = connection.await;
        });
        // A default of the role may be weaker.
        client.batch_execute("SET synchronous_commit = on").await?;
        Ok(Connected { client, _driver: driver })
    }
}

/// The host's database.
pub(crate) struct Host {
    connected: Connected,
}

impl Host {
    pub(crate) async fn make(address: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let connected = Connected::to(address).await?;
        connected.client.batch_execute(TABLES).await?;
        Ok(Host { connected })
    }

    /// The ids of all committed events, by number.
    pub(crate) async fn committed(&self) -> Result<Vec<(u64, Uuid)>, ClientError> {
        let rows = self.connected.client.query("SELECT number, id FROM own_outbox.push ORDER BY number", &[]).await?;
        Ok(rows.iter().map(|row| (row.get::<_, i64>(0).unsigned_abs(), row.get(1))).collect())
    }
}

/// The pushes that one connection records.
#[derive(Clone, Copy)]
pub(crate) struct Pushes {
    connection: u32,
    count: u32,
}

impl Pushes {
    pub(crate) fn of(connection: u32, count: u32) -> Self {
        Pushes { connection, count }
    }

    /// Records them, each in a transaction of its own; answers how many were rolled back.
    pub(crate) async fn record(self, address: String) -> Result<u32, Box<dyn Error + Send + Sync>> {
        let mut connected = Connected::to(&address).await?;
        let record = connected.client.prepare(RECORD).await?;
        let customer = format!("customer-{}", self.connection);
        let mut rolled_back = 0;
        for number in 0..self.count {
            let transaction = connected.client.transaction().await?;
            transaction.query(&record, &[&Uuid::now_v7(), &customer, &"https://git.example/site", &"main"]).await?;
            if number % ROLLED_BACK == ROLLED_BACK - 1 {
                transaction.rollback().await?;
                rolled_back += 1;
            } else {
                transaction.commit().await?;
            }
        }
        Ok(rolled_back)
    }
}
