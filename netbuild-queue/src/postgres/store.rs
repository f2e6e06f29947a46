//! The store: one schema of a database, opened.

use std::sync::Arc;
use std::time::Duration;

use netbuild_core::model::PublisherId;
use netbuild_core::port::{Clock, OutboxError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Config, NoTls, Socket};

use super::dial::{self, Dial};
use super::error::PostgresError;
use super::handle::Handle;
use super::ledger::PostgresLedger;
use super::news::News;
use super::options::PostgresOptions;
use super::outbox::PostgresOutbox;
use super::pool::{Pool, explain};
use super::queue::PostgresQueue;
use super::schema;
use super::session::Session;
use crate::connection::ConnectionState;

/// Between two tries to open.
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// The oldest server, as its setting `server_version_num` numbers it.
const OLDEST: i32 = 140_000;

/// An open schema with the ports over it. Cheap to clone; its connections are closed with the last clone and port.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    handle: Arc<Handle>,
}

impl PostgresStore {
    /// Opens the schema of the database at `address`, `postgres://user:password@host:port/database`; makes it, or brings
    /// an older one up to date. Without TLS: for a socket, for loopback, for a network that is trusted.
    ///
    /// The clock dates for [`connection`](Self::connection) when the server was lost; every other time is the database's.
    ///
    /// # Errors
    /// [`PostgresError`]: the server cannot be reached within [`open_wait`](PostgresOptions::open_wait), refuses the user, is
    /// too old or set to lose what it confirmed; the schema is something else's or a newer netbuild's.
    pub async fn open(address: &str, options: PostgresOptions, clock: Arc<dyn Clock>) -> Result<Self, PostgresError> {
        Self::open_with_tls(dial::parse(address)?, NoTls, options, clock).await
    }

    /// As [`open`](Self::open), with a configuration and what makes TLS, such as `MakeRustlsConnect` of the crate
    /// `tokio-postgres-rustls`. Say `sslmode=require` in the configuration, or TLS is used only when the server offers it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with_tls<T>(
        config: Config,
        tls: T,
        options: PostgresOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PostgresError>
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send + 'static,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let options = options.bounded();
        if !options.has_plain_schema() {
            return Err(PostgresError::Schema(options.schema));
        }
        let server = dial::server(&config);
        let dial = Dial::new(config, tls, &options);
        let until = Instant::now() + options.open_wait;
        while let Err(error) = prepare(&dial, &server, &options).await {
            let may_pass = matches!(error, PostgresError::Unreachable { .. } | PostgresError::Deadline { .. });
            if !may_pass || Instant::now() >= until {
                return Err(error);
            }
            sleep(TRY_AGAIN).await;
        }
        let pool = Arc::new(Pool::new(dial.clone(), server.clone(), &options));
        let news = News::start(&dial, server.clone(), &options, pool.clone(), clock);
        Ok(PostgresStore { handle: Arc::new(Handle { server, options, pool, news }) })
    }

    /// The outbox of a publisher. Stores that share the schema and name the same publisher share one order.
    ///
    /// The publisher's epoch is made when it is first named in this schema: the time in milliseconds, so that it grows
    /// when a publisher starts over with a new schema.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub async fn outbox(&self, publisher: PublisherId) -> Result<PostgresOutbox, OutboxError> {
        PostgresOutbox::new(self.handle.clone(), publisher).await
    }

    /// The queue.
    pub fn queue(&self) -> PostgresQueue {
        PostgresQueue::new(self.handle.clone())
    }

    /// The ledger.
    pub fn ledger(&self) -> PostgresLedger {
        PostgresLedger::new(self.handle.clone())
    }

    /// Whether the server answers, as seen by a connection that asks it every five seconds and when a call fails.
    pub fn connection(&self) -> watch::Receiver<ConnectionState> {
        self.handle.news.state.clone()
    }

    /// Closes the idle connections; calls under way end first, calls after it, of ports that are still there too, are
    /// refused.
    pub fn close(self) {
        self.handle.pool.close();
    }
}

/// Sees that the server can keep the promises, and brings the schema up to date. There is a deadline for the looks, and
/// none of ours for the migration: the larger the tables, the longer it takes.
async fn prepare(dial: &Dial, server: &str, options: &PostgresOptions) -> Result<(), PostgresError> {
    let late = |_| PostgresError::Deadline { server: server.to_owned(), after: options.call_deadline };
    let look = async {
        let session = Session::connect(dial, Arc::new(|| {})).await?;
        let settings = "SELECT current_setting('server_version_num')::integer, current_setting('server_version'),
                        current_setting('fsync'), current_setting('full_page_writes')";
        let rows = session.query_once(settings, &[]).await?;
        Ok((session, rows))
    };
    let (session, rows) =
        timeout(options.call_deadline, look).await.map_err(late)?.map_err(|error| explain(server, &error))?;
    let row = &rows[0];
    if row.get::<_, i32>(0) < OLDEST {
        return Err(PostgresError::OldServer { server: server.to_owned(), found: row.get(1) });
    }
    for (setting, found) in [("fsync", row.get::<_, String>(2)), ("full_page_writes", row.get(3))] {
        if found != "on" && !options.allow_lossy {
            return Err(PostgresError::Lossy { server: server.to_owned(), setting, found });
        }
        if found != "on" {
            tracing::warn!(server, setting, found, "a crash of this server loses what it confirmed");
        }
    }
    session.batch("SET statement_timeout = 0").await.map_err(|error| explain(server, &error))?;
    schema::migrate(&session, server, options).await
}
