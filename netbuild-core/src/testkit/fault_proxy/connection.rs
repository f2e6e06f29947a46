//! One connection through the proxy, from its acceptance to its end.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::fault::Direction;
use super::proxy::Shared;
use super::pump::Pump;

/// Carries the bytes of a connection until both sides ended it, one of them failed, or a fault ends it.
pub(super) async fn carry(shared: Arc<Shared>, number: u64, mut client: TcpStream) {
    let mut upstream = None;
    let mut watch = shared.conditions.subscribe();
    let carried = tokio::select! {
        biased;
        // Who writes the conditions is in `shared`, so there always are some.
        _ = watch.wait_for(|conditions| conditions.has_ended(number)) => Ok(()),
        carried = connect_and_pump(&shared, number, &mut client, &mut upstream) => carried,
    };
    // A side that failed by itself becomes a reset of the other: it learns that bytes may be missing.
    let resets = shared.conditions.borrow().ended_by_reset(number).unwrap_or(carried.is_err());
    for stream in [Some(client), upstream].into_iter().flatten() {
        if resets {
            // A socket that is gone already needs no reset.
            let _ = stream.set_zero_linger();
        }
    }
    shared.conditions.send_modify(|conditions| conditions.closed(number));
}

async fn connect_and_pump(
    shared: &Shared,
    number: u64,
    client: &mut TcpStream,
    upstream: &mut Option<TcpStream>,
) -> io::Result<()> {
    let mut watch = shared.conditions.subscribe();
    let address =
        watch.wait_for(|conditions| !conditions.hides_connections()).await.map_err(io::Error::other)?.upstream;
    let upstream = upstream.insert(TcpStream::connect(address).await?);
    client.set_nodelay(true)?;
    upstream.set_nodelay(true)?;
    let (from_client, to_client) = client.split();
    let (from_upstream, to_upstream) = upstream.split();
    tokio::try_join!(
        Pump::new(shared, number, Direction::ToUpstream).run(from_client, to_upstream),
        Pump::new(shared, number, Direction::ToClient).run(from_upstream, to_client),
    )?;
    Ok(())
}
