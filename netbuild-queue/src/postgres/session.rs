//! One connection with its prepared statements.

use std::collections::HashMap;

use futures_util::future::try_join;
use tokio::task::JoinSet;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, Statement};

use super::dial::{Dial, OnNews};

/// Values of a statement.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A connection. Dropping it closes it: the server takes back what was not committed.
#[derive(Debug)]
pub(super) struct Session {
    client: Client,
    statements: HashMap<&'static str, Statement>,
    _driver: JoinSet<()>,
}

impl Session {
    pub(super) async fn connect(dial: &Dial, on_news: OnNews) -> Result<Self, Error> {
        let (client, run) = dial.connect(on_news).await?;
        let mut driver = JoinSet::new();
        driver.spawn(run);
        Ok(Session { client, statements: HashMap::new(), _driver: driver })
    }

    /// Whether the connection is known to be over; if not, it may be all the same.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Carries out a statement, which is prepared once a session.
    pub(super) async fn query(&mut self, sql: &'static str, values: Values<'_>) -> Result<Vec<Row>, Error> {
        let statement = self.prepare(sql).await?;
        self.client.query(&statement, values).await
    }

    /// As [`query`](Self::query), as the first of a transaction, which is begun on the same way.
    pub(super) async fn begin_with(&mut self, sql: &'static str, values: Values<'_>) -> Result<Vec<Row>, Error> {
        let statement = self.prepare(sql).await?;
        let (_, rows) = try_join(self.client.batch_execute("BEGIN"), self.client.query(&statement, values)).await?;
        Ok(rows)
    }

    /// As [`query`](Self::query) of two statements that go on one way.
    pub(super) async fn query_two(
        &mut self,
        first: (&'static str, Values<'_>),
        second: (&'static str, Values<'_>),
    ) -> Result<(Vec<Row>, Vec<Row>), Error> {
        let statements = (self.prepare(first.0).await?, self.prepare(second.0).await?);
        try_join(self.client.query(&statements.0, first.1), self.client.query(&statements.1, second.1)).await
    }

    async fn prepare(&mut self, sql: &'static str) -> Result<Statement, Error> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }

    /// Carries out a statement that is made for one call.
    pub(super) async fn query_once(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Error> {
        self.client.query(sql, values).await
    }

    /// Carries out statements without values or answers.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), Error> {
        self.client.batch_execute(sql).await
    }
}
