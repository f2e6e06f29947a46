//! A connection to the broker, from when it was made until the first thing on it broke.
//!
//! It is two connections: a broker that is short of memory or disk stops reading from those that publish, and acks must not
//! stand behind that. Whatever breaks, all of it is made again: there is one way back.

use std::time::Duration;

use lapin::options::ConfirmSelectOptions;
use lapin::{Channel, Connection, ConnectionProperties};
use tokio::sync::{Mutex, watch};
use tokio::time::{sleep, timeout};

use super::address::Address;
use super::error::{self, AmqpError};
use super::inbox::Inbox;
use super::options::AmqpOptions;
use super::topology;

/// How often it is seen whether the client has noticed something that no call met.
const LOOK: Duration = Duration::from_millis(500);

/// What is good until something on it breaks.
#[derive(Debug)]
pub(super) struct Session {
    /// Tells its receipts from those of others: at random, for receipts may come from another process.
    pub(super) generation: u64,
    publishing: Connection,
    consuming: Connection,
    /// Confirms what is published.
    pub(super) publish: Channel,
    /// Has the consumer, if there is one.
    pub(super) consume: Channel,
    /// One call at a time is at the dead letters.
    pub(super) at_dead: Mutex<()>,
    /// What the broker gave to this consumer.
    pub(super) inbox: Inbox,
    broken: watch::Sender<Option<AmqpError>>,
    server: String,
}

impl Session {
    /// Connects and makes or checks the queues.
    pub(super) async fn open(address: &Address, options: &AmqpOptions) -> Result<Self, AmqpError> {
        let server = &address.server;
        let connect = async {
            let publishing = connect(address, "netbuild publishing").await?;
            let consuming = connect(address, "netbuild consuming").await?;
            let publish = publishing.create_channel().await?;
            publish.confirm_select(ConfirmSelectOptions::default()).await?;
            let consume = consuming.create_channel().await?;
            let are_new = !topology::exist(consuming.create_channel().await?, options).await?;
            topology::declare(&consume, options).await?;
            let session = Session {
                generation: fastrand::u64(..),
                publishing,
                consuming,
                publish,
                consume,
                at_dead: Mutex::new(()),
                inbox: Inbox::default(),
                broken: watch::Sender::new(None),
                server: server.clone(),
            };
            Ok((session, are_new))
        };
        let (session, are_new) = match timeout(options.call_deadline, connect).await {
            Ok(session) => session.map_err(|error| error::while_connecting(server, &error))?,
            Err(_) => return Err(AmqpError::Deadline { server: server.clone(), after: options.call_deadline }),
        };
        if are_new {
            sleep(topology::SETTLES).await;
        }
        Ok(session)
    }

    /// A channel of its own: what was taken on it is free again when it is dropped.
    pub(super) async fn channel(&self) -> lapin::Result<Channel> {
        self.consuming.create_channel().await
    }

    /// Whether the broker said that it takes no messages.
    pub(super) fn is_blocked(&self) -> bool {
        self.publishing.status().blocked()
    }

    /// Whether something is known to be broken.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.borrow().is_some() || !self.is_connected()
    }

    /// Gives the session up: a call met something that is broken, or got no answer.
    pub(super) fn give_up(&self, error: AmqpError) {
        self.broken.send_if_modified(|broken| {
            let is_first = broken.is_none();
            broken.get_or_insert(error);
            is_first
        });
    }

    /// As [`give_up`](Self::give_up), for what the client says.
    pub(super) fn give_up_on(&self, error: &lapin::Error) -> AmqpError {
        let error = error::broken(&self.server, error);
        self.give_up(error.clone());
        error
    }

    /// Ends when something is broken, with what.
    pub(super) async fn broken(&self) -> AmqpError {
        let mut broken = self.broken.subscribe();
        loop {
            if let Some(error) = broken.borrow_and_update().clone() {
                return error;
            }
            if !self.is_connected() {
                return AmqpError::Broken { server: self.server.clone(), said: "it ended".to_owned() };
            }
            tokio::select! {
                _ = broken.changed() => {}
                () = sleep(LOOK) => {}
            }
        }
    }

    fn is_connected(&self) -> bool {
        let channels = self.publish.status().connected() && self.consume.status().connected();
        channels && self.publishing.status().connected() && self.consuming.status().connected()
    }
}

async fn connect(address: &Address, name: &str) -> lapin::Result<Connection> {
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    Connection::connect_uri(address.uri.clone(), properties).await
}
