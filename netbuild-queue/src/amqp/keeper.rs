//! Keeps a session, for as long as it takes, and says how it goes.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use netbuild_core::port::Clock;
use tokio::sync::watch;
use tokio::time::sleep;

use super::address::Address;
use super::error::AmqpError;
use super::inbox;
use super::options::AmqpOptions;
use super::session::Session;
use crate::connection::ConnectionState;

/// The shortest and the longest time between tries to connect; jitter adds up to as much again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(2_500));

pub(super) struct Keeper {
    pub(super) address: Address,
    pub(super) options: AmqpOptions,
    pub(super) clock: Arc<dyn Clock>,
    /// The session, while there is one.
    pub(super) current: watch::Sender<Option<Arc<Session>>>,
    pub(super) state: watch::Sender<ConnectionState>,
}

/// The times between tries.
pub(super) fn delays() -> impl Iterator<Item = Duration> {
    let (shortest, longest) = BACKOFF;
    let delays = ExponentialBuilder::default().with_min_delay(shortest).with_max_delay(longest).without_max_times();
    delays.with_jitter().build()
}

impl Keeper {
    /// Keeps a first session, and each after it.
    pub(super) async fn run(self, first: Arc<Session>) {
        let mut session = first;
        loop {
            self.current.send_replace(Some(session.clone()));
            self.back();
            let error = tokio::select! {
                error = session.broken() => error,
                () = inbox::run(&session, &self.options) => unreachable!("it runs until it is dropped"),
            };
            self.current.send_replace(None);
            // Whoever waits for a message asks the next session for it.
            session.inbox.arrived.notify_waiters();
            drop(session);
            self.lost(&error);
            session = self.connect().await;
        }
    }

    async fn connect(&self) -> Arc<Session> {
        let mut delays = delays();
        loop {
            match Session::open(&self.address, &self.options).await {
                Ok(session) => return Arc::new(session),
                Err(error) => self.lost(&error),
            }
            sleep(delays.next().unwrap_or(BACKOFF.1)).await;
        }
    }

    fn lost(&self, error: &AmqpError) {
        let next = match *self.state.borrow() {
            ConnectionState::Connected => ConnectionState::Lost { since: self.clock.now(), tries: 0 },
            ConnectionState::Lost { since, tries } => ConnectionState::Lost { since, tries: tries.saturating_add(1) },
        };
        self.state.send_replace(next);
        if let ConnectionState::Lost { tries, .. } = next
            && (tries == 0 || tries.is_power_of_two())
        {
            tracing::warn!(server = self.address.server, tries, reason = %error, "the connection to RabbitMQ is lost");
        }
    }

    fn back(&self) {
        if let ConnectionState::Lost { since, tries } = self.state.send_replace(ConnectionState::Connected) {
            let lost_for = self.clock.now().since(since);
            tracing::info!(server = self.address.server, tries, ?lost_for, "the connection to RabbitMQ is back");
        }
    }
}
