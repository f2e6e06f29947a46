//! The connection for news: hears that messages were published, says so, and sees whether the server answers.
//!
//! News are hints. Nothing waits for them alone, and losing them costs a part of a second.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use netbuild_core::port::Clock;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::dial::Dial;
use super::error::PostgresError;
use super::options::PostgresOptions;
use super::pool::{Pool, explain};
use super::session::Session;
use crate::connection::ConnectionState;

/// How often it is seen whether the server answers.
const PING: Duration = Duration::from_secs(5);

/// The shortest and the longest time between tries to connect; jitter adds up to as much again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(2_500));

/// The ports' side.
pub(super) struct News {
    shared: Arc<Shared>,
    pub(super) state: watch::Receiver<ConnectionState>,
    _task: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    /// Told when messages were published or given back, here or elsewhere.
    changed: Notify,
    /// Told when this store did that.
    to_tell: Notify,
    /// Told when a call met a broken connection.
    to_look: Notify,
}

impl News {
    pub(super) fn start(
        dial: &Dial,
        server: String,
        options: &PostgresOptions,
        pool: Arc<Pool>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let shared = Arc::<Shared>::default();
        let (sender, state) = watch::channel(ConnectionState::Connected);
        let mut dial = dial.clone();
        let settings = dial.config.get_options().unwrap_or_default().to_owned();
        // A hint need not reach the disk, and waits for none that does.
        dial.config.options(format!("{settings} -c synchronous_commit=off"));
        let deadline = options.call_deadline;
        let ear = Ear { dial, server, deadline, schema: options.schema.clone(), shared: shared.clone() };
        let mut task = JoinSet::new();
        task.spawn(Keeper { ear, pool, clock, state: sender }.run());
        News { shared, state, _task: task }
    }

    /// Ends with the next news. What happens after this call is not missed.
    pub(super) fn changed(&self) -> impl Future<Output = ()> + '_ {
        self.shared.changed.notified()
    }

    /// Messages were published or given back by this store: its own waits end at once, others' soon. However many tell it,
    /// the server is told once at a time.
    pub(super) fn tell(&self) {
        self.shared.changed.notify_waiters();
        self.shared.to_tell.notify_one();
    }

    /// A call met a broken connection: see now whether the server answers.
    pub(super) fn look(&self) {
        self.shared.to_look.notify_one();
    }
}

/// What hears and tells.
struct Ear {
    dial: Dial,
    server: String,
    schema: String,
    deadline: Duration,
    shared: Arc<Shared>,
}

impl Ear {
    async fn listen(&self) -> Result<Session, PostgresError> {
        let shared = self.shared.clone();
        let on_news = Arc::new(move || shared.changed.notify_waiters());
        let connect = async {
            let session = Session::connect(&self.dial, on_news).await.map_err(|error| explain(&self.server, &error))?;
            self.ask(&session, &format!("LISTEN netbuild_{}", self.schema)).await?;
            Ok(session)
        };
        timeout(self.deadline, connect).await.unwrap_or_else(|_| Err(self.late()))
    }

    /// Tells what is to tell and sees whether the server answers, until it does not.
    async fn attend(&self, session: &Session) -> PostgresError {
        let tell = format!("NOTIFY netbuild_{}", self.schema);
        loop {
            let asked = tokio::select! {
                () = self.shared.to_tell.notified() => self.ask(session, &tell).await,
                () = self.shared.to_look.notified() => self.ask(session, "").await,
                () = sleep(PING) => self.ask(session, "").await,
            };
            if let Err(error) = asked {
                return error;
            }
        }
    }

    async fn ask(&self, session: &Session, sql: &str) -> Result<(), PostgresError> {
        match timeout(self.deadline, session.batch(sql)).await {
            Ok(answer) => answer.map_err(|error| explain(&self.server, &error)),
            Err(_) => Err(self.late()),
        }
    }

    fn late(&self) -> PostgresError {
        PostgresError::Deadline { server: self.server.clone(), after: self.deadline }
    }
}

/// Keeps the connection, for as long as it takes, and says how it goes.
struct Keeper {
    ear: Ear,
    pool: Arc<Pool>,
    clock: Arc<dyn Clock>,
    state: watch::Sender<ConnectionState>,
}

impl Keeper {
    async fn run(self) {
        let (shortest, longest) = BACKOFF;
        let delays = ExponentialBuilder::default().with_min_delay(shortest).with_max_delay(longest).without_max_times();
        loop {
            let mut delays = delays.with_jitter().build();
            let session = loop {
                match self.ear.listen().await {
                    Ok(session) => break session,
                    Err(error) => self.lost(&error),
                }
                sleep(delays.next().unwrap_or(longest)).await;
            };
            self.back();
            let error = self.ear.attend(&session).await;
            // The others are likely to be broken too, and need not each find out by a call that fails.
            self.pool.drop_idle();
            self.lost(&error);
        }
    }

    fn lost(&self, error: &PostgresError) {
        let next = match *self.state.borrow() {
            ConnectionState::Connected => ConnectionState::Lost { since: self.clock.now(), tries: 0 },
            ConnectionState::Lost { since, tries } => ConnectionState::Lost { since, tries: tries.saturating_add(1) },
        };
        self.state.send_replace(next);
        if let ConnectionState::Lost { tries, .. } = next
            && (tries == 0 || tries.is_power_of_two())
        {
            tracing::warn!(server = self.ear.server, tries, reason = %error, "the connection to PostgreSQL is lost");
        }
    }

    fn back(&self) {
        if let ConnectionState::Lost { since, tries } = self.state.send_replace(ConnectionState::Connected) {
            let lost_for = self.clock.now().since(since);
            tracing::info!(server = self.ear.server, tries, ?lost_for, "the connection to PostgreSQL is back");
            // What waits may have missed news.
            self.ear.shared.changed.notify_waiters();
        }
    }
}
