//! The connection of a store.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{StreamExt, poll_fn};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_postgres::config::Config;
use tokio_postgres::{AsyncMessage, Client, NoTls};

/// How long a call may take, connecting included.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

/// Why the database was of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresStoreError {
    /// The address cannot be read. It is not repeated, since it may hold a password.
    #[error("the address is none of PostgreSQL: postgres://user:password@host:5432/database")]
    Address,
    /// The database refused, or the connection was lost.
    #[error("{0}")]
    Sql(#[from] tokio_postgres::Error),
    /// No answer in time.
    #[error("no answer within {DEADLINE:?}")]
    Deadline,
}

/// A connection, and what drives it. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: Client,
    _driver: JoinSet<()>,
}

impl Session {
    /// Connects, and rings `news` for every notification of `channel` and when the connection is over.
    pub(super) async fn connect(
        config: &Config,
        channel: &str,
        schema: &str,
        news: Arc<Notify>,
    ) -> Result<Self, PostgresStoreError> {
        let (client, mut connection) = config.connect(NoTls).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            let mut messages = poll_fn(move |context| connection.poll_message(context));
            while let Some(Ok(message)) = messages.next().await {
                if matches!(message, AsyncMessage::Notification(_)) {
                    news.notify_one();
                }
            }
            news.notify_one();
        });
        client.batch_execute(schema).await?;
        client.batch_execute(&format!("SET synchronous_commit = on; LISTEN {channel}")).await?;
        Ok(Session { client, _driver: driver })
    }
}

/// A call with a deadline.
pub(super) async fn within<T>(
    call: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, PostgresStoreError> {
    match timeout(DEADLINE, call).await {
        Ok(done) => done.map_err(PostgresStoreError::Sql),
        Err(_) => Err(PostgresStoreError::Deadline),
    }
}
