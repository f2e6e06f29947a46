//! Why a queue failed, in the words of its user.

use std::net::SocketAddr;
use std::time::Duration;

use netbuild_core::port::QueueError;

/// Why a queue cannot be opened, or what stands behind an error of its port. Its text names the server and says what to do.
/// It never holds a password, nor what stands in a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NatsError {
    /// The address is not one.
    #[error("the addresses of the servers cannot be read: write nats://user:password@host:port, several with commas")]
    Address,
    /// The name of the stream is not one.
    #[error("{0:?} cannot be the stream: 1 to 64 of a-z, A-Z, 0-9, _ and -")]
    Name(String),
    /// The server cannot be reached.
    #[error("{server} cannot be reached ({said}): see that it runs, and that the way to it is open")]
    Unreachable {
        /// Host and port.
        server: String,
        /// What the system or the client said.
        said: String,
    },
    /// The server does not let this user in, or the client does not trust the server.
    #[error("{server} and this client refuse each other ({said}): see user, password or credentials, and TLS")]
    Refused {
        /// Host and port.
        server: String,
        /// What the client said.
        said: String,
    },
    /// The server is too old.
    #[error(
        "{server} is nats-server {found}, and one older than 2.10.23 loses what it confirmed: upgrade it, or set \
         allow_lossy for what may be lost"
    )]
    OldServer {
        /// Host and port.
        server: String,
        /// Its version.
        found: String,
    },
    /// The server confirms before it syncs.
    #[error(
        "the server at {monitor} syncs after it confirmed, so a power cut loses what it confirmed: set sync_interval: \
         always in its jetstream section, or allow_lossy for what may be lost"
    )]
    NotSynced {
        /// Its monitoring address.
        monitor: SocketAddr,
    },
    /// The monitoring address does not answer as it should.
    #[error("{monitor} does not tell the server's settings ({said}): see the server's setting http")]
    Monitor {
        /// The monitoring address.
        monitor: SocketAddr,
        /// What was found.
        said: String,
    },
    /// The server takes too short messages.
    #[error("{server} takes messages of at most {found} bytes, and {wanted} are needed: raise its max_payload")]
    SmallPayload {
        /// Host and port.
        server: String,
        /// Its bound.
        found: usize,
        /// The bound that is needed.
        wanted: usize,
    },
    /// A stream or a consumer is there already, with a setting that cannot keep the promises. Nothing was changed.
    #[error("{what} on {server} has {setting} {found}, and {wanted} is needed: change it, or use another stream")]
    Setting {
        /// Host and port.
        server: String,
        /// The stream or the consumer.
        what: String,
        /// The setting, as the server names it.
        setting: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        wanted: String,
    },
    /// The server did not do what it was asked.
    #[error("{server} cannot {doing} ({said})")]
    Failed {
        /// Host and port.
        server: String,
        /// What it was asked.
        doing: &'static str,
        /// What the server or the client said.
        said: String,
    },
    /// The connection broke in the middle of a call.
    #[error("the connection to {server} was lost; a new one is being made")]
    Lost {
        /// Host and port.
        server: String,
    },
    /// The call was not over at its deadline.
    #[error("no answer from {server} within {after:?}: it is overloaded, frozen, or behind a broken network")]
    Deadline {
        /// Host and port.
        server: String,
        /// The call's deadline.
        after: Duration,
    },
}

impl NatsError {
    /// Whether it may pass by itself.
    pub(super) fn may_pass(&self) -> bool {
        use NatsError::{Deadline, Failed, Lost, Monitor, Unreachable};
        matches!(self, Unreachable { .. } | Failed { .. } | Lost { .. } | Deadline { .. } | Monitor { .. })
    }
}

/// Nothing happened.
pub(super) fn unavailable(error: NatsError) -> QueueError {
    QueueError::Unavailable(Box::new(error))
}

/// It may have happened.
pub(super) fn unknown(error: NatsError) -> QueueError {
    QueueError::Unknown(Box::new(error))
}
