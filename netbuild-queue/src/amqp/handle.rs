//! What all calls share: the session, the deadline, and what its end means.

use std::sync::Arc;
use std::time::Duration;

use lapin::BasicProperties;
use netbuild_core::port::{Clock, QueueError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::address::Address;
use super::error::AmqpError;
use super::keeper::{self, Keeper};
use super::options::AmqpOptions;
use super::publish::{Answers, publish};
use super::session::Session;
use crate::connection::ConnectionState;

#[derive(Debug)]
pub(super) struct Handle {
    pub(super) options: AmqpOptions,
    pub(super) server: String,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) state: watch::Receiver<ConnectionState>,
    current: watch::Receiver<Option<Arc<Session>>>,
    _keeper: JoinSet<()>,
}

impl Handle {
    pub(super) async fn open(address: &str, options: AmqpOptions, clock: Arc<dyn Clock>) -> Result<Self, AmqpError> {
        let address = Address::parse(address)?;
        if !options.has_plain_name() {
            return Err(AmqpError::Name(options.queue));
        }
        let bounds = [("prefetch", options.prefetch.into()), ("max_deliveries", options.max_deliveries.unwrap_or(1))];
        if let Some((setting, _)) = bounds.into_iter().find(|(_, bound)| *bound == 0) {
            return Err(AmqpError::TooSmall { setting });
        }
        let options = options.bounded();
        let first = Arc::new(first_session(&address, &options).await?);
        let (current, sessions) = watch::channel(Some(first.clone()));
        let (state, states) = watch::channel(ConnectionState::Connected);
        let server = address.server.clone();
        let mut keeper = JoinSet::new();
        keeper.spawn(Keeper { address, options: options.clone(), clock: clock.clone(), current, state }.run(first));
        Ok(Handle { options, server, clock, state: states, current: sessions, _keeper: keeper })
    }

    /// When a call that begins now must have ended.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.options.call_deadline
    }

    /// The session, once there is one.
    pub(super) async fn session(&self, deadline: Instant) -> Result<Arc<Session>, AmqpError> {
        let mut current = self.current.clone();
        let is_good = |session: &Option<Arc<Session>>| session.as_ref().is_some_and(|session| !session.is_broken());
        match timeout_at(deadline, current.wait_for(is_good)).await {
            Ok(Ok(session)) => session.clone().ok_or_else(|| self.late()),
            Ok(Err(_)) | Err(_) => Err(self.late()),
        }
    }

    /// The session of a generation, while it is the current one.
    pub(super) fn session_of(&self, generation: u64) -> Option<Arc<Session>> {
        self.current.borrow().clone().filter(|session| session.generation == generation)
    }

    /// Publishes letters to a queue; Ok when the broker has all of them.
    pub(super) async fn publish(
        &self,
        queue: &str,
        letters: &[(&[u8], BasicProperties)],
        deadline: Instant,
    ) -> Result<(), QueueError> {
        let session = self.session(deadline).await.map_err(AmqpError::without_effect)?;
        let server = self.server.clone();
        if session.is_blocked() {
            return Err(AmqpError::Alarm { server }.without_effect());
        }
        let published = letters.len();
        match timeout_at(deadline, publish(&session.publish, queue, letters)).await {
            Ok(Ok(Answers { returned: 0, refused: 0 })) => Ok(()),
            Ok(Ok(Answers { returned: 0, refused })) => {
                Err(AmqpError::NotConfirmed { server, refused, published }.of_unknown_effect())
            }
            Ok(Ok(Answers { returned, .. })) => {
                let error = AmqpError::Returned { server, returned, published };
                session.give_up(error.clone());
                Err(if returned == published { error.without_effect() } else { error.of_unknown_effect() })
            }
            Ok(Err(error)) => Err(session.give_up_on(&error).of_unknown_effect()),
            // The broker may have told meanwhile that it takes nothing. That is no reason to connect anew: what the
            // consumer has would count as delivered.
            Err(_) if session.is_blocked() => Err(AmqpError::Alarm { server }.of_unknown_effect()),
            Err(_) => Err(self.no_answer(&session).of_unknown_effect()),
        }
    }

    /// A call on a session; whatever fails on it gives it up.
    pub(super) async fn ask<T>(
        &self,
        session: &Session,
        deadline: Instant,
        call: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, AmqpError> {
        match timeout_at(deadline, call).await {
            Ok(answer) => answer.map_err(|error| session.give_up_on(&error)),
            Err(_) => Err(self.no_answer(session)),
        }
    }

    /// A broker that does not answer may be frozen, or behind a way that is cut: the client would notice late.
    fn no_answer(&self, session: &Session) -> AmqpError {
        session.give_up(self.late());
        self.late()
    }

    pub(super) fn late(&self) -> AmqpError {
        AmqpError::Deadline { server: self.server.clone(), after: self.options.call_deadline }
    }
}

async fn first_session(address: &Address, options: &AmqpOptions) -> Result<Session, AmqpError> {
    let until = Instant::now() + options.open_wait;
    let mut delays = keeper::delays();
    loop {
        match Session::open(address, options).await {
            Ok(session) => return Ok(session),
            Err(error) if error.is_refusal() || Instant::now() >= until => return Err(error),
            Err(_) => sleep(delays.next().unwrap_or(Duration::ZERO)).await,
        }
    }
}
