//! The servers that a queue may use, and how to connect to one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use tokio::sync::watch;

use super::error::NatsError;

/// How often it is seen whether the server answers; the connection is given up when it did not three times.
const PING: Duration = Duration::from_secs(5);

/// Makes the options of a connection: who the client is, and TLS.
pub(super) type Connect = Arc<dyn Fn() -> ConnectOptions + Send + Sync>;

/// Servers of one cluster, or one server.
#[derive(Clone)]
pub(super) struct Servers {
    all: Vec<Server>,
    connect: Connect,
}

/// A server, its credentials apart from its address: the client writes addresses into its log.
#[derive(Clone)]
struct Server {
    address: ServerAddr,
    user: Option<(String, Option<String>)>,
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries((0..self.all.len()).map(|index| self.name(index))).finish()
    }
}

impl Servers {
    /// Reads addresses with commas between them.
    pub(super) fn parse(addresses: &str, connect: Connect) -> Result<Self, NatsError> {
        let all = addresses.split(',').map(|address| server(address.trim())).collect::<Option<Vec<_>>>();
        Ok(Servers { all: all.ok_or(NatsError::Address)?, connect })
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// Host and port.
    pub(super) fn name(&self, index: usize) -> String {
        let address = &self.all[index].address;
        format!("{}:{}", address.host(), address.port())
    }

    /// Connects to one server. The receiver changes to true when the connection is lost, and then stays lost: what a call
    /// left behind in the client must not be sent after a later call repeated it.
    pub(super) async fn connect(
        &self,
        index: usize,
        deadline: Duration,
    ) -> Result<(Client, watch::Receiver<bool>), NatsError> {
        let server = &self.all[index];
        let (lost, is_lost) = watch::channel(false);
        let on_event = move |event| {
            if matches!(event, Event::Disconnected | Event::Closed) {
                lost.send_replace(true);
            }
            std::future::ready(())
        };
        let mut options = (self.connect)()
            .ping_interval(PING)
            .connection_timeout(deadline)
            .request_timeout(Some(deadline))
            .max_reconnects(1)
            .reconnect_delay_callback(|_| Duration::ZERO)
            .ignore_discovered_servers()
            .event_callback(on_event);
        options = match server.user.clone() {
            Some((user, Some(password))) => options.user_and_password(user, password),
            Some((token, None)) => options.token(token),
            None => options,
        };
        let client = options.connect(&server.address).await.map_err(|error| self.explain(index, &error))?;
        // The client would connect again by itself, and send what it still holds. It does not find the way.
        let nowhere: ServerAddr = "nats://127.0.0.1:0".parse().map_err(|_| NatsError::Address)?;
        let pool = client.set_server_pool(nowhere).await;
        pool.map_err(|_| NatsError::Lost { server: self.name(index) })?;
        Ok((client, is_lost))
    }

    fn explain(&self, index: usize, error: &async_nats::ConnectError) -> NatsError {
        let (server, said) = (self.name(index), error.to_string());
        match error.kind() {
            ConnectErrorKind::ServerParse => NatsError::Address,
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Tls => {
                NatsError::Refused { server, said }
            }
            _ => NatsError::Unreachable { server, said },
        }
    }
}

fn server(address: &str) -> Option<Server> {
    let address: ServerAddr = address.parse().ok()?;
    let user = address.username().map(|user| (user.to_owned(), address.password().map(str::to_owned)));
    let mut url = address.into_inner();
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some(Server { address: ServerAddr::from_url(url).ok()?, user })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_kept_apart_and_not_shown() {
        let connect: Connect = Arc::new(ConnectOptions::new);
        let servers = Servers::parse("nats://me:canary@one:4223, two,nats://canary@three", connect.clone()).unwrap();
        assert_eq!(format!("{servers:?}"), "[\"one:4223\", \"two:4222\", \"three:4222\"]");
        assert_eq!(servers.all[0].user, Some(("me".to_owned(), Some("canary".to_owned()))));
        assert!(!servers.all.iter().any(|server| format!("{:?}", server.address).contains("canary")));
        for bad in ["", "nats://", "http://one", "one,,two"] {
            assert_eq!(Servers::parse(bad, connect.clone()).map(|_| ()), Err(NatsError::Address), "{bad}");
        }
    }
}
