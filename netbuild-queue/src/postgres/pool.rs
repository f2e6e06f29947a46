//! The connections of a store: made when they are needed, used again when their last call ended well.

use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::error::SqlState;

use super::dial::{Dial, READ_BACK, not_kept};
use super::error::{PostgresError, ServerSaid, chain, said_by};
use super::options::PostgresOptions;
use super::session::Session;

/// At most so many connections as there are places.
pub(super) struct Pool {
    dial: Dial,
    server: String,
    options: PostgresOptions,
    places: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Session>>>,
}

/// A connection on loan. Dropping it closes it: only who knows that no call is under way gives it back.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) session: Session,
    idle: Arc<Mutex<Vec<Session>>>,
    _place: OwnedSemaphorePermit,
}

impl Seat {
    /// Gives the connection to the next caller.
    pub(super) fn give_back(self) {
        lock(&self.idle).push(self.session);
    }
}

fn lock(idle: &Mutex<Vec<Session>>) -> std::sync::MutexGuard<'_, Vec<Session>> {
    idle.lock().expect("nothing panics while it holds this lock")
}

impl Pool {
    pub(super) fn new(dial: Dial, server: String, options: &PostgresOptions) -> Self {
        let places = Arc::new(Semaphore::new(options.connections.max(1)));
        Pool { dial, server, options: options.clone(), places, idle: Arc::default() }
    }

    /// A connection: one that is idle, or a new one.
    pub(super) async fn seat(&self) -> Result<Seat, PostgresError> {
        let closed = |_| PostgresError::Closed { server: self.server.clone() };
        let place = self.places.clone().acquire_owned().await.map_err(closed)?;
        let session = match self.idle_session() {
            Some(session) => session,
            None => self.connect().await?,
        };
        Ok(Seat { session, idle: self.idle.clone(), _place: place })
    }

    fn idle_session(&self) -> Option<Session> {
        let mut idle = lock(&self.idle);
        idle.retain(|session| !session.is_closed());
        idle.pop()
    }

    /// A new connection, its settings read back.
    async fn connect(&self) -> Result<Session, PostgresError> {
        let explain = |error| explain(&self.server, &error);
        let session = Session::connect(&self.dial, Arc::new(|| {})).await.map_err(explain)?;
        let rows = session.query_once(READ_BACK, &[]).await.map_err(explain)?;
        if let Some((setting, wanted, found)) = not_kept(&rows[0], &self.options) {
            return Err(PostgresError::Setting { server: self.server.clone(), setting, wanted, found });
        }
        Ok(session)
    }

    /// Closes what is idle: it may be broken and not know it.
    pub(super) fn drop_idle(&self) {
        lock(&self.idle).clear();
    }

    /// Closes what is idle, and refuses calls from now on.
    pub(super) fn close(&self) {
        self.places.close();
        self.drop_idle();
    }
}

/// Why there is no connection.
pub(super) fn explain(server: &str, error: &tokio_postgres::Error) -> PostgresError {
    let server = server.to_owned();
    let Some(said) = error.as_db_error() else {
        let said = chain(error);
        return if said.contains("TLS") || said.contains("tls") {
            PostgresError::Tls { server, said }
        } else {
            PostgresError::Unreachable { server, said }
        };
    };
    let code = said.code();
    // Wrong user, password, host or database; everything else may pass, as a server that starts or has no place.
    let refused = [
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
        SqlState::INVALID_PASSWORD,
        SqlState::INVALID_CATALOG_NAME,
        SqlState::INSUFFICIENT_PRIVILEGE,
        SqlState::UNDEFINED_OBJECT,
        SqlState::INVALID_PARAMETER_VALUE,
    ];
    let heard: ServerSaid = said_by(said);
    if refused.contains(code) {
        PostgresError::Refused { server, said: heard }
    } else {
        PostgresError::Unreachable { server, said: heard.to_string() }
    }
}
