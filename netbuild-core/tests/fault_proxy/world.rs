//! A server behind a proxy, and a connection through it with both its ends in hand.

use std::time::Duration;

use netbuild_core::testkit::fault_proxy::FaultProxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct World {
    pub(crate) server: TcpListener,
    pub(crate) proxy: FaultProxy,
}

impl World {
    pub(crate) async fn new() -> Self {
        let server = listen().await;
        let proxy = FaultProxy::start(server.local_addr().expect("it is bound")).await.expect("a free port");
        World { server, proxy }
    }

    pub(crate) async fn client(&self) -> std::io::Result<TcpStream> {
        TcpStream::connect(self.proxy.address()).await
    }

    /// Both ends of a new connection.
    pub(crate) async fn connect(&self) -> (TcpStream, TcpStream) {
        let client = self.client().await.expect("the proxy accepts");
        (client, self.accept().await)
    }

    pub(crate) async fn accept(&self) -> TcpStream {
        self.server.accept().await.expect("the server accepts").0
    }
}

pub(crate) async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

/// Writes this at one end and reads it at the other.
pub(crate) async fn send(text: &str, from: &mut TcpStream, to: &mut TcpStream) {
    from.write_all(text.as_bytes()).await.expect("it is open");
    receive(text, to).await;
}

pub(crate) async fn receive(text: &str, to: &mut TcpStream) {
    let mut read = vec![0; text.len()];
    to.read_exact(&mut read).await.expect("it is open");
    assert_eq!(String::from_utf8_lossy(&read), text);
}

/// Nothing comes, for as long as bytes would take many times over.
pub(crate) async fn is_silent(end: &mut TcpStream) -> bool {
    tokio::time::timeout(Duration::from_millis(30), end.read_u8()).await.is_err()
}
