//! The broker's address.

use lapin::uri::AMQPUri;

use super::error::AmqpError;

/// After half of this without a sign of life one is asked for, and after twice of it the connection counts as lost.
const HEARTBEAT_SECS: u16 = 10;

/// A broker's address, with the settings that the promises need. `Debug` hides the password.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) uri: AMQPUri,
    /// Host, port and virtual host, and nothing that is secret.
    pub(super) server: String,
}

impl Address {
    /// Reads an address.
    pub(super) fn parse(address: &str) -> Result<Self, AmqpError> {
        // The parser's words may repeat the address, and a password in it.
        let mut uri: AMQPUri = address.parse().map_err(|_| AmqpError::Address)?;
        uri.query.heartbeat = Some(HEARTBEAT_SECS);
        let server = format!("{}:{}/{}", uri.authority.host, uri.authority.port, uri.vhost.trim_start_matches('/'));
        Ok(Address { uri, server })
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Address").field(&self.server).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_an_address_nor_an_error_of_it_shows_the_password() {
        let address = Address::parse("amqp://ci:canary@mq.example:6672/builds?heartbeat=0").unwrap();
        assert_eq!(address.server, "mq.example:6672/builds");
        assert_eq!(address.uri.query.heartbeat, Some(10));
        assert!(!format!("{address:?}").contains("canary"));
        for bad in ["amqp://ci:canary@mq.example:port/builds", "http://canary@a", "canary"] {
            let error = Address::parse(bad).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
        }
    }
}
