//! The way to the servers: always one session, or a reason why there is none.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use netbuild_core::port::Clock;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::error::NatsError;
use super::options::NatsOptions;
use super::servers::Servers;
use super::session::Session;
use crate::connection::ConnectionState;

/// The shortest and the longest time between tries to connect; jitter adds up to as much again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(2_500));

/// Between two tries to open.
const TRY_AGAIN: Duration = Duration::from_millis(200);

type Current = Result<Arc<Session>, NatsError>;

/// The calls' side.
#[derive(Debug)]
pub(super) struct Link {
    current: watch::Receiver<Current>,
    pub(super) state: watch::Receiver<ConnectionState>,
    _keeper: JoinSet<()>,
}

impl Link {
    /// Makes the first session, within the time that the options give, and keeps one from then on.
    pub(super) async fn open(servers: Servers, options: NatsOptions, clock: Arc<dyn Clock>) -> Result<Self, NatsError> {
        let until = Instant::now() + options.open_wait;
        let mut next = 0;
        let session = loop {
            let error = match Session::open(&servers, next, &options).await {
                Ok(session) => break Arc::new(session),
                Err(error) => error,
            };
            next = (next + 1) % servers.count();
            let each_was_tried = next == 0;
            if !error.may_pass() || (each_was_tried && Instant::now() >= until) {
                return Err(error);
            }
            if each_was_tried {
                sleep(TRY_AGAIN).await;
            }
        };
        let (current, is) = watch::channel(Ok(session.clone()));
        let (state, is_connected) = watch::channel(ConnectionState::Connected);
        let mut keeper = JoinSet::new();
        keeper.spawn(Keeper { servers, options, clock, current, state, next }.run(session));
        Ok(Link { current: is, state: is_connected, _keeper: keeper })
    }

    /// The session, or why there is none now.
    pub(super) fn session(&self) -> Current {
        self.current.borrow().clone()
    }

    /// As [`session`](Self::session), waiting for one until a time.
    pub(super) async fn session_until(&self, until: Instant) -> Current {
        let mut current = self.current.clone();
        // Past that time, or without a keeper, it is what it is.
        let _ = timeout_at(until, current.wait_for(Result::is_ok)).await;
        self.session()
    }
}

/// Keeps a session, for as long as it takes, and says how it goes.
struct Keeper {
    servers: Servers,
    options: NatsOptions,
    clock: Arc<dyn Clock>,
    current: watch::Sender<Current>,
    state: watch::Sender<ConnectionState>,
    /// The server to try next.
    next: usize,
}

impl Keeper {
    async fn run(mut self, mut session: Arc<Session>) {
        let (shortest, longest) = BACKOFF;
        let delays = ExponentialBuilder::default().with_min_delay(shortest).with_max_delay(longest).without_max_times();
        loop {
            let error = session.over(self.options.call_deadline).await;
            self.lost(error);
            let mut delays = delays.with_jitter().build();
            session = loop {
                // A server may be cut off from the others and not know it yet: the next one first.
                self.next = (self.next + 1) % self.servers.count();
                match Session::open(&self.servers, self.next, &self.options).await {
                    Ok(session) => break Arc::new(session),
                    Err(error) => self.lost(error),
                }
                sleep(delays.next().unwrap_or(longest)).await;
            };
            self.back(&session);
        }
    }

    fn lost(&self, error: NatsError) {
        let next = match *self.state.borrow() {
            ConnectionState::Connected => ConnectionState::Lost { since: self.clock.now(), tries: 0 },
            ConnectionState::Lost { since, tries } => ConnectionState::Lost { since, tries: tries.saturating_add(1) },
        };
        if let ConnectionState::Lost { tries, .. } = next
            && (tries == 0 || tries.is_power_of_two())
        {
            tracing::warn!(servers = ?self.servers, tries, reason = %error, "the connection to NATS is lost");
        }
        drop(self.current.send_replace(Err(error)));
        self.state.send_replace(next);
    }

    fn back(&self, session: &Arc<Session>) {
        drop(self.current.send_replace(Ok(session.clone())));
        if let ConnectionState::Lost { since, tries } = self.state.send_replace(ConnectionState::Connected) {
            let lost_for = self.clock.now().since(since);
            tracing::info!(server = session.server, tries, ?lost_for, "the connection to NATS is back");
        }
    }
}
