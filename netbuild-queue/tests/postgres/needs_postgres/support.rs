//! What the tests share.

use std::sync::Arc;

use netbuild_core::port::SystemClock;
use netbuild_queue::postgres::tokio_postgres::{Client, NoTls, connect};
use netbuild_queue::postgres::{PostgresError, PostgresOptions, PostgresStore};
use netbuild_servers::PostgresServer;
use tempfile::TempDir;

/// A server of its own, and the folder that it is in.
pub(crate) struct Server {
    pub(crate) server: PostgresServer,
    _folder: TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The server's user has to come through.
        let server = PostgresServer::start_with(folder.path(), settings).unwrap();
        Server { server, _folder: folder }
    }
}

pub(crate) async fn try_open(address: &str, options: PostgresOptions) -> Result<PostgresStore, PostgresError> {
    PostgresStore::open(address, options, Arc::new(SystemClock::new())).await
}

pub(crate) async fn open(address: &str, options: PostgresOptions) -> PostgresStore {
    try_open(address, options).await.unwrap()
}

/// A client past the adapter.
pub(crate) async fn client(address: &str) -> Client {
    let (client, connection) = connect(address, NoTls).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "it ends with the client")]
    tokio::spawn(connection);
    client
}
