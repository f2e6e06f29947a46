//! One connection through the proxy.

use std::io;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::proxy::{Shared, UNBOUNDED};
use super::rules::Direction;

/// What is held of one direction at most.
const BUFFER: usize = 16 << 10;

/// Why a direction ended.
enum End {
    /// Its sender closed it, or an end is gone.
    Closed,
    /// A fault.
    Broken,
}

/// Moves bytes both ways until both are closed, or one breaks. Answers whether it broke.
pub(super) async fn join(mut client: TcpStream, mut server: TcpStream, shared: &Shared) -> bool {
    // What ends here without having been closed by both is to end at both with a reset, also in the middle of data.
    let _ = client.set_zero_linger();
    let _ = server.set_zero_linger();
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let there = pump(from_client, to_server, Direction::ToServer, shared);
    let back = pump(from_server, to_client, Direction::ToClient, shared);
    tokio::pin!(there, back);
    let (first, rest) = tokio::select! {
        biased;
        end = &mut there => (end, &mut back as &mut (dyn Future<Output = _> + Send + Unpin)),
        end = &mut back => (end, &mut there as &mut (dyn Future<Output = _> + Send + Unpin)),
    };
    matches!(first, End::Broken) || matches!(rest.await, End::Broken)
}

async fn pump(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, direction: Direction, shared: &Shared) -> End {
    let mut buffer = vec![0; BUFFER];
    let mut rules = shared.rules.subscribe();
    loop {
        let read = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return close(to).await,
            Ok(read) => read,
        };
        let delay = rules.borrow().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        // Its sender lives as long as the proxy.
        let _ = rules.wait_for(|rules| !rules.swallows(direction)).await;
        let meter = shared.meter(direction);
        let allowed = allowed(&meter.left, read);
        if to.write_all(&buffer[..allowed]).await.is_err() {
            return End::Closed;
        }
        meter.passed.fetch_add(allowed as u64, Ordering::Relaxed);
        if allowed < read || meter.left.load(Ordering::Relaxed) == 0 {
            meter.left.store(UNBOUNDED, Ordering::Relaxed);
            return broken(to).await;
        }
    }
}

/// How many of so many bytes may pass; those are taken off.
fn allowed(left: &std::sync::atomic::AtomicI64, bytes: usize) -> usize {
    let wanted = i64::try_from(bytes).unwrap_or(UNBOUNDED);
    let before = left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            Some(if left == UNBOUNDED { UNBOUNDED } else { (left - wanted).max(0) })
        })
        .unwrap_or(UNBOUNDED);
    usize::try_from(before.min(wanted)).unwrap_or(0)
}

/// Passes the end of one direction on.
async fn close(mut to: WriteHalf<'_>) -> End {
    // An end that is gone needs no farewell.
    let _: io::Result<()> = to.shutdown().await;
    End::Closed
}

/// Gives what was passed on time to leave, for a reset takes back what is still on its way here.
async fn broken(mut to: WriteHalf<'_>) -> End {
    let _: io::Result<()> = to.flush().await;
    End::Broken
}
