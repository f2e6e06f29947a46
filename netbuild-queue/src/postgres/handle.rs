//! What a store and all its ports share: calls with a deadline, in a transaction or without one.

use std::fmt;
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};
use tokio_postgres::Row;

use super::error::{Fault, Sent, Stop, Told};
use super::news::News;
use super::options::PostgresOptions;
use super::pool::{Pool, Seat};
use super::session::Values;
use crate::answer::Meaning;

/// What a store and all its ports share.
pub(super) struct Handle {
    pub(super) server: String,
    pub(super) options: PostgresOptions,
    pub(super) pool: Arc<Pool>,
    pub(super) news: News,
}

impl Handle {
    /// Carries out one statement that only reads.
    pub(super) async fn read(&self, sql: &'static str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        self.statement(Sent::NoCommit, sql, values).await
    }

    /// Carries out one statement that writes, and is committed by itself.
    pub(super) async fn write(&self, sql: &'static str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        self.statement(Sent::Commit, sql, values).await
    }

    async fn statement(&self, sent: Sent, sql: &'static str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        let until = self.deadline();
        let mut seat = self.seat(until).await?;
        let rows = within(until, sent, seat.session.query(sql, values)).await?;
        seat.give_back();
        Ok(rows)
    }

    /// As [`read`](Self::read), for a statement that is made for one call.
    pub(super) async fn read_once(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        let until = self.deadline();
        let seat = self.seat(until).await?;
        let rows = within(until, Sent::NoCommit, seat.session.query_once(sql, values)).await?;
        seat.give_back();
        Ok(rows)
    }

    /// A transaction, begun with its first statement.
    pub(super) async fn transaction(&self) -> Result<Transaction<'_>, Fault> {
        let until = self.deadline();
        Ok(Transaction { seat: self.seat(until).await?, until, begun: false, handle: self })
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.options.call_deadline
    }

    async fn seat(&self, until: Instant) -> Result<Seat, Fault> {
        let seat = timeout_at(until, self.pool.seat()).await;
        seat.map_err(|_| Fault::Deadline(Sent::NoCommit))?.map_err(Fault::NoConnection)
    }

    /// A call that did not end well, as its caller is told it.
    pub(super) fn told<E: From<Told>>(&self, stop: impl Into<Stop<E>>) -> E {
        match stop.into() {
            Stop::Refused(error) => error,
            Stop::Fault(fault) => {
                let meaning = fault.meaning();
                if meaning != Meaning::Damaged && !matches!(fault, Fault::Sql(..)) {
                    self.news.look();
                }
                Told { meaning, error: fault.explain(&self.server, self.options.call_deadline) }.into()
            }
        }
    }
}

/// The one row that must be there.
pub(super) fn one(rows: Vec<Row>, table: &str) -> Result<Row, Fault> {
    rows.into_iter().next().ok_or_else(|| Fault::Unreadable(format!("a row of {table} is gone")))
}

async fn within<T>(
    until: Instant,
    sent: Sent,
    call: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Fault> {
    match timeout_at(until, call).await {
        Ok(done) => done.map_err(|error| Fault::of(&error, sent)),
        Err(_) => Err(Fault::Deadline(sent)),
    }
}

/// A transaction. Dropping it closes its connection, and the server takes it back.
#[derive(Debug)]
pub(super) struct Transaction<'h> {
    seat: Seat,
    until: Instant,
    begun: bool,
    handle: &'h Handle,
}

impl Transaction<'_> {
    pub(super) fn options(&self) -> &PostgresOptions {
        &self.handle.options
    }

    /// Carries out a statement.
    pub(super) async fn query(&mut self, sql: &'static str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        let session = &mut self.seat.session;
        if std::mem::replace(&mut self.begun, true) {
            within(self.until, Sent::NoCommit, session.query(sql, values)).await
        } else {
            within(self.until, Sent::NoCommit, session.begin_with(sql, values)).await
        }
    }

    /// Carries out two statements, the second of which needs no answer of the first, in a transaction that is begun.
    pub(super) async fn query_two(
        &mut self,
        first: (&'static str, Values<'_>),
        second: (&'static str, Values<'_>),
    ) -> Result<(Vec<Row>, Vec<Row>), Fault> {
        within(self.until, Sent::NoCommit, self.seat.session.query_two(first, second)).await
    }

    /// Commits what was found, or takes everything back.
    pub(super) async fn end<T, E>(self, found: Result<T, Stop<E>>) -> Result<T, Stop<E>> {
        let (end, sent) = match &found {
            Ok(_) => ("COMMIT", Sent::Commit),
            Err(Stop::Refused(_)) => ("ROLLBACK", Sent::NoCommit),
            // What state the connection is in is not known for certain: it goes, and the transaction with it.
            Err(Stop::Fault(_)) => return found,
        };
        let ended = within(self.until, sent, self.seat.session.batch(end)).await;
        if ended.is_ok() {
            self.seat.give_back();
        }
        match found {
            Ok(found) => ended.map(|()| found).map_err(Stop::Fault),
            // Taken back in any case.
            refused => refused,
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("server", &self.server).field("options", &self.options).finish_non_exhaustive()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.pool.close();
    }
}
