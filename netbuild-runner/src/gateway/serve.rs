//! Taking connections, each with its bounds, and ending them all.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::GatewayLimits;
use super::places::{Place, Places};

/// How long to wait after a connection could not be taken: files or memory are short, and trying at once again would
/// spin.
const PAUSE: Duration = Duration::from_millis(100);

/// How many connections may be closing beside those that have a place.
const CLOSING: usize = 64;

/// The smallest buffer that hyper takes.
const SMALLEST_BUFFER: usize = 8 << 10;

/// The most fields in the head of a request; hyper answers 431 past it.
const MAX_FIELDS: usize = 64;

/// Serves until `shutdown`, then ends and joins every connection.
pub(super) async fn serve(listener: TcpListener, router: Router, limits: GatewayLimits, shutdown: CancellationToken) {
    let mut connections = JoinSet::new();
    let ending = shutdown.clone();
    let accepting = accept(&listener, &mut connections, &router, &limits, &shutdown);
    tokio::select! {
        biased;
        () = ending.cancelled() => {}
        () = accepting => {}
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(limits.drain, drained).await.is_err() {
        tracing::warn!(connections = connections.len(), "requests were dropped: they took longer than the drain");
    }
    connections.shutdown().await;
}

async fn accept(
    listener: &TcpListener,
    connections: &mut JoinSet<()>,
    router: &Router,
    limits: &GatewayLimits,
    shutdown: &CancellationToken,
) {
    let places = Places::new(limits.clone());
    let sockets = limits.strangers.saturating_add(limits.connections).saturating_add(CLOSING);
    let sockets = Arc::new(Semaphore::new(sockets.min(Semaphore::MAX_PERMITS)));
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(open) = Arc::clone(&sockets).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((socket, peer)) => {
                let place = places.take(peer.ip());
                let connection = connection(socket, place, router.clone(), limits.clone(), shutdown.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(open);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(
    socket: TcpStream,
    place: Arc<Place>,
    router: Router,
    limits: GatewayLimits,
    shutdown: CancellationToken,
) {
    // Answers are small: without this they would wait for the acknowledgement of the last one.
    let _ = socket.set_nodelay(true);
    let give_up = place.give_up.clone();
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&place));
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_bytes.max(SMALLEST_BUFFER))
        .max_headers(MAX_FIELDS)
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => Some(ended),
        () = give_up.cancelled() => {
            tracing::debug!("a connection on which no live attempt was heard made room for another");
            return;
        }
        () = shutdown.cancelled() => None,
        () = sleep(limits.connection_age) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            // An upload waits for its turn and then takes its time, both at most this long.
            timeout(limits.upload * 2, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
