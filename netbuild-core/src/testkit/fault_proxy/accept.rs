//! The listening side: it takes connections, or has the system refuse them.

use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::connection::carry;
use super::proxy::Shared;

const BACKLOG: u32 = 1024;

/// The wait after the system could not give a socket, as when this process has too many.
const RETRY: Duration = Duration::from_millis(10);

/// A free port of loopback that stays ours while nobody listens on it: a second socket is bound to it and never listens,
/// so the system refuses connections and gives the port to nobody else.
#[derive(Debug)]
pub(super) struct Port {
    address: SocketAddr,
    _keeper: TcpSocket,
}

impl Port {
    pub(super) fn free() -> io::Result<Self> {
        let keeper = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        Ok(Port { address: keeper.local_addr()?, _keeper: keeper })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn listen(&self) -> io::Result<TcpListener> {
        bind(self.address)?.listen(BACKLOG)
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // Two sockets share the port. Not SO_REUSEADDR: with it others could bind the port while nobody listens.
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Takes connections and carries each of them, until it is dropped.
pub(super) async fn accept(shared: Arc<Shared>, port: Port, listener: TcpListener) {
    let mut watch = shared.conditions.subscribe();
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        let refuses = watch.borrow_and_update().refuses;
        if refuses {
            listener = None;
        } else if listener.is_none() {
            listener = port.listen().ok();
        }
        let listens = listener.is_some();
        shared.conditions.send_if_modified(|conditions| std::mem::replace(&mut conditions.listens, listens) != listens);
        tokio::select! {
            biased;
            changed = watch.changed() => if changed.is_err() { return },
            Some(_) = connections.join_next() => {}
            () = tokio::time::sleep(RETRY), if !refuses && !listens => {}
            client = next_client(listener.as_ref()) => {
                if let Some(number) = shared.admit() {
                    connections.spawn(carry(Arc::clone(&shared), number, client));
                }
            }
        }
    }
}

async fn next_client(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else { return pending().await };
    loop {
        match listener.accept().await {
            Ok((client, _)) => return client,
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}
