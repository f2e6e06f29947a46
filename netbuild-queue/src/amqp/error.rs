//! Why a queue failed: the one place where the client's errors are translated.

use std::time::Duration;

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use netbuild_core::port::QueueError;

/// Why a queue cannot be opened, or what stands behind an error of its port. Its text names the server and says what to do.
/// It never holds a password, nor what stands in a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AmqpError {
    /// The address is not one.
    #[error("the address of the broker cannot be read: write amqp://user:password@host:port/vhost")]
    Address,
    /// The name of the queue is not one.
    #[error("{0:?} cannot be the queue: 1 to 200 bytes without control characters, not beginning with amq.")]
    Name(String),
    /// A bound is out of its range.
    #[error("{setting} must be at least 1")]
    TooSmall {
        /// The option.
        setting: &'static str,
    },
    /// The broker cannot be reached.
    #[error("{server} cannot be reached ({said}): see that it runs, and that the way to it is open")]
    Unreachable {
        /// Host, port and virtual host.
        server: String,
        /// What the system or the client said.
        said: String,
    },
    /// The broker does not let this user in, or not to this virtual host or queue.
    #[error("{server} refuses ({said}): see user, password, virtual host, and the user's permissions")]
    Refused {
        /// Host, port and virtual host.
        server: String,
        /// What the broker said.
        said: String,
    },
    /// There is a queue of this name that is not one of netbuild's, or was made with other options. Nothing was changed.
    #[error(
        "a queue on {server} is another one than netbuild needs ({said}): give another name, or delete it when empty"
    )]
    OtherQueue {
        /// Host, port and virtual host.
        server: String,
        /// What the broker said, with the queue and the argument.
        said: String,
    },
    /// The broker stopped taking messages because it is short of memory or disk.
    #[error("{server} takes no messages: it is short of memory or disk (rabbitmq-diagnostics alarms)")]
    Alarm {
        /// Host, port and virtual host.
        server: String,
    },
    /// Messages came back because the queue is gone. It is made again.
    #[error("{server} gave {returned} of {published} messages back: the queue is gone, and is made again")]
    Returned {
        /// Host, port and virtual host.
        server: String,
        /// How many came back.
        returned: usize,
        /// How many there were.
        published: usize,
    },
    /// The broker did not take responsibility for messages.
    #[error(
        "{server} did not confirm {refused} of {published} messages: see its log, and whether most of its nodes run"
    )]
    NotConfirmed {
        /// Host, port and virtual host.
        server: String,
        /// How many it refused.
        refused: usize,
        /// How many there were.
        published: usize,
    },
    /// The connection or a channel broke.
    #[error("the connection to {server} broke ({said}); it is made again")]
    Broken {
        /// Host, port and virtual host.
        server: String,
        /// What the broker, the system or the client said.
        said: String,
    },
    /// No answer in time.
    #[error("{server} gave no answer within {after:?}")]
    Deadline {
        /// Host, port and virtual host.
        server: String,
        /// The deadline.
        after: Duration,
    },
}

impl AmqpError {
    /// Whether trying again later cannot help: somebody must change something.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, AmqpError::Refused { .. } | AmqpError::OtherQueue { .. })
    }

    /// For a call that had no effect.
    pub(super) fn without_effect(self) -> QueueError {
        QueueError::Unavailable(Box::new(self))
    }

    /// For a call that may have had its effect.
    pub(super) fn of_unknown_effect(self) -> QueueError {
        QueueError::Unknown(Box::new(self))
    }
}

/// What the client says while it connects.
pub(super) fn while_connecting(server: &str, error: &lapin::Error) -> AmqpError {
    let said = said(error);
    let server = server.to_owned();
    match error.kind() {
        ErrorKind::ProtocolError(error) => match error.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) | AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => {
                AmqpError::Refused { server, said }
            }
            AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) => AmqpError::OtherQueue { server, said },
            _ => AmqpError::Unreachable { server, said },
        },
        ErrorKind::AuthProviderError(_) => AmqpError::Refused { server, said },
        _ => AmqpError::Unreachable { server, said },
    }
}

/// What the client says of a connection that worked.
pub(super) fn broken(server: &str, error: &lapin::Error) -> AmqpError {
    AmqpError::Broken { server: server.to_owned(), said: said(error) }
}

/// The broker's own words, where it has some.
fn said(error: &lapin::Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(error) => error.get_message().to_string(),
        _ => error.to_string(),
    }
}
