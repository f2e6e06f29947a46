//! Making connections: the address, TLS, and the settings that the promises need.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio_postgres::config::Host;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, Error, Socket};

use super::error::PostgresError;
use super::options::PostgresOptions;

/// What runs a connection, and tells what the server says unasked.
pub(super) type Driver = BoxFuture<'static, ()>;

/// What a driver calls when a notification came.
pub(super) type OnNews = Arc<dyn Fn() + Send + Sync>;

type Connect = dyn Fn(Config, OnNews) -> BoxFuture<'static, Result<(Client, Driver), Error>> + Send + Sync;

/// How connections are made, whatever does their TLS.
#[derive(Clone)]
pub(super) struct Dial {
    pub(super) config: Config,
    connect: Arc<Connect>,
}

/// The server shuts a connection whose client is gone after this, so that its locks go.
const GONE_CLIENT: Duration = Duration::from_secs(10);

impl Dial {
    /// Connections to the server of `config`, set up for `options`.
    pub(super) fn new<T>(mut config: Config, tls: T, options: &PostgresOptions) -> Self
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send + 'static,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        set(&mut config, options);
        let connect = move |config: Config, on_news: OnNews| {
            let tls = tls.clone();
            let connected: BoxFuture<'static, _> = Box::pin(async move {
                let (client, mut connection) = config.connect(tls).await?;
                let driver: Driver = Box::pin(async move {
                    // Ends when the connection does; whoever waits for an answer is told by the client.
                    while let Some(Ok(message)) = std::future::poll_fn(|context| connection.poll_message(context)).await
                    {
                        if let tokio_postgres::AsyncMessage::Notification(_) = message {
                            on_news();
                        }
                    }
                });
                Ok((client, driver))
            });
            connected
        };
        Dial { config, connect: Arc::new(connect) }
    }

    /// A connection, and what runs it.
    pub(super) async fn connect(&self, on_news: OnNews) -> Result<(Client, Driver), Error> {
        (self.connect)(self.config.clone(), on_news).await
    }
}

/// Host, port and database, and nothing that is secret.
pub(super) fn server(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string(),
        None => config.get_hostaddrs().first().map_or("localhost".to_owned(), ToString::to_string),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let database = config.get_dbname().or(config.get_user()).unwrap_or("postgres");
    format!("{host}:{port}/{database}")
}

/// What a connection needs, unless the address says it otherwise.
fn set(config: &mut Config, options: &PostgresOptions) {
    let deadline = options.call_deadline;
    if config.get_application_name().is_none() {
        config.application_name("netbuild");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(deadline);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(deadline);
    }
    config.keepalives(true).keepalives_idle(deadline);
    let before = config.get_options().map(|options| format!("{options} ")).unwrap_or_default();
    // The last word on a setting counts: the promises' settings are not for the address to change.
    config.options(format!("{before}{}", settings(options)));
}

/// The settings of a session. As they come with the connection they stand above those of the role and the database, and
/// `RESET` leads back to them.
fn settings(options: &PostgresOptions) -> String {
    let (deadline, gone) = (options.call_deadline.as_millis(), GONE_CLIENT.as_millis());
    let statement = (deadline * 4 / 5).max(1);
    [
        format!("search_path={},pg_temp", options.schema),
        "synchronous_commit=on".to_owned(),
        // Read the newest that is committed, once a lock was waited for.
        "default_transaction_isolation=read\\ committed".to_owned(),
        "default_transaction_read_only=off".to_owned(),
        format!("statement_timeout={statement}"),
        format!("idle_in_transaction_session_timeout={deadline}"),
        "client_connection_check_interval=1000".to_owned(),
        format!("tcp_user_timeout={gone}"),
        format!("tcp_keepalives_idle={}", GONE_CLIENT.as_secs()),
        // Every statement looks things up by an index, whatever the statistics say of tables that fill and empty.
        "enable_seqscan=off".to_owned(),
        "enable_hashjoin=off".to_owned(),
        "enable_mergejoin=off".to_owned(),
        "jit=off".to_owned(),
    ]
    .map(|setting| format!("-c {setting}"))
    .join(" ")
}

/// What a session must read back. A proxy between may drop the settings that come with a connection.
pub(super) const READ_BACK: &str = "SELECT current_setting('synchronous_commit'), current_setting('search_path')";

/// The setting that was not kept, with what it must be and what it is.
pub(super) fn not_kept(row: &tokio_postgres::Row, options: &PostgresOptions) -> Option<(&'static str, String, String)> {
    let wanted = [("synchronous_commit", "on".to_owned()), ("search_path", format!("{},pg_temp", options.schema))];
    let found = wanted.into_iter().enumerate().map(|(index, (setting, wanted))| (setting, wanted, row.get(index)));
    found.into_iter().find(|(_, wanted, found): &(_, _, String)| wanted != found)
}

/// Reads an address.
pub(super) fn parse(address: &str) -> Result<Config, PostgresError> {
    // The parser's words may repeat the address, and a password in it.
    let config: Config = address.parse().map_err(|_| PostgresError::Address)?;
    // A password with an `@` that is not encoded: the parser took its tail for a host, which errors name.
    let is_torn = |host: &Host| matches!(host, Host::Tcp(name) if name.contains('@'));
    if config.get_hosts().iter().any(is_torn) { Err(PostgresError::Address) } else { Ok(config) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_an_address_nor_an_error_of_it_shows_the_password() {
        let config = parse("postgres://ci:canary@db.example:6432/builds?sslmode=require").unwrap();
        assert_eq!(server(&config), "db.example:6432/builds");
        for bad in [
            "postgres://ci:PG#CAN@canary@db.example:1/builds",
            "postgres://ci:canary@db.example:port/builds",
            "host=a password=canary nonsense=canary",
            "canary",
        ] {
            let error = parse(bad).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn the_promises_settings_have_the_last_word() {
        let mut config = parse("postgres://a@b/c?options=-c%20synchronous_commit%3Doff").unwrap();
        set(&mut config, &PostgresOptions::default());
        let options = config.get_options().unwrap();
        assert!(options.rfind("synchronous_commit=on") > options.rfind("synchronous_commit=off"), "{options}");
    }
}
