//! Taking connections, each with its bounds, and ending them all.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::GatewayLimits;

/// How long to wait after a connection could not be taken: files or memory are short, and trying at once again would
/// spin.
const PAUSE: Duration = Duration::from_millis(100);

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
    let places = Arc::new(Semaphore::new(limits.connections.max(1)));
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((socket, _)) => {
                let connection = connection(socket, router.clone(), limits.clone(), shutdown.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(socket: TcpStream, router: Router, limits: GatewayLimits, shutdown: CancellationToken) {
    // Answers are small: without this they would wait for the acknowledgement of the last one.
    let _ = socket.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => Some(ended),
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
