//! Each fault, between a real client and a real server.

#![expect(clippy::unwrap_used, reason = "this is a test")]

use std::time::Duration;

use netbuild_core::testkit::fault_proxy::{Direction, Fault, FaultPlan, FaultProxy, TimedFault};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Long for what comes at once on any machine.
const PATIENT: Duration = Duration::from_secs(20);
/// Short, for what must not come.
const SHORT: Duration = Duration::from_millis(50);

struct World {
    server: TcpListener,
    proxy: FaultProxy,
}

impl World {
    async fn new() -> Self {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = FaultProxy::start(server.local_addr().unwrap()).await.unwrap();
        World { server, proxy }
    }

    /// A connection through the proxy: the client's end and the server's.
    async fn connect(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(self.proxy.addr()).await.unwrap();
        let (server, _) = timeout(PATIENT, self.server.accept()).await.unwrap().unwrap();
        (client, server)
    }
}

async fn arrives(from: &mut TcpStream, to: &mut TcpStream, bytes: &[u8]) {
    from.write_all(bytes).await.unwrap();
    let mut read = vec![0; bytes.len()];
    timeout(PATIENT, to.read_exact(&mut read)).await.unwrap().unwrap();
    assert_eq!(read, bytes);
}

/// All that arrives until the connection ends, and whether it ended by a reset.
async fn rest(stream: &mut TcpStream) -> (usize, bool) {
    let mut bytes = Vec::new();
    let end = timeout(PATIENT, stream.read_to_end(&mut bytes)).await.expect("the connection ends");
    (bytes.len(), end.is_err())
}

#[tokio::test]
async fn without_a_fault_bytes_pass_both_ways_and_an_end_is_passed_on() {
    let world = World::new().await;
    let (mut client, mut server) = world.connect().await;
    arrives(&mut client, &mut server, b"to the server").await;
    arrives(&mut server, &mut client, b"to the client").await;
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut server).await, (0, false));
    arrives(&mut server, &mut client, b"the other way is open").await;
    drop(server);
    assert_eq!(rest(&mut client).await, (0, false));
    let counts = world.proxy.counts();
    assert_eq!((counts.connections, counts.broken, counts.to_server, counts.to_client), (1, 0, 13, 34));
}

#[tokio::test]
async fn cut_ends_what_is_there_and_what_comes_until_it_is_healed() {
    let world = World::new().await;
    let (mut client, mut server) = world.connect().await;
    world.proxy.cut();
    assert_eq!(rest(&mut client).await.0, 0);
    assert_eq!(rest(&mut server).await.0, 0);
    if let Ok(mut refused) = TcpStream::connect(world.proxy.addr()).await {
        assert_eq!(rest(&mut refused).await.0, 0);
    }
    world.proxy.heal();
    let (mut client, mut server) = world.connect().await;
    arrives(&mut client, &mut server, b"again").await;
}

#[tokio::test]
async fn reset_ends_what_is_there_and_lets_new_ones_pass() {
    let world = World::new().await;
    let (mut client, mut server) = world.connect().await;
    arrives(&mut client, &mut server, b"both ends stand").await;
    world.proxy.reset();
    assert_eq!(rest(&mut client).await, (0, true));
    assert_eq!(rest(&mut server).await, (0, true));
    let (mut client, mut server) = world.connect().await;
    arrives(&mut client, &mut server, b"again").await;
    assert_eq!(world.proxy.counts().broken, 1);
}

#[tokio::test]
async fn cut_after_lets_exactly_so_many_bytes_arrive() {
    for direction in [Direction::ToServer, Direction::ToClient] {
        let world = World::new().await;
        let (client, server) = world.connect().await;
        let (mut from, mut to) = if direction == Direction::ToServer { (client, server) } else { (server, client) };
        arrives(&mut from, &mut to, b"before").await;
        world.proxy.cut_after(1_000, direction);
        // More than buffers take may fail, once the connection is gone.
        let _ = from.write_all(&[7; 4_000]).await;
        let mut received = vec![0; 1_000];
        timeout(PATIENT, to.read_exact(&mut received)).await.unwrap().unwrap();
        assert_eq!(received, [7; 1_000]);
        assert_eq!(rest(&mut to).await.0, 0, "{direction:?}: not a byte more");
        let (mut client, mut server) = world.connect().await;
        arrives(&mut client, &mut server, &[8; 4_000]).await;
    }
}

#[tokio::test]
async fn a_black_hole_holds_one_direction_or_both_and_loses_nothing() {
    let world = World::new().await;
    let (mut client, mut server) = world.connect().await;
    world.proxy.black_hole(&[Direction::ToServer]);
    client.write_all(b"held").await.unwrap();
    arrives(&mut server, &mut client, b"the other way passes").await;
    let mut bytes = [0; 4];
    assert!(timeout(SHORT, server.read_exact(&mut bytes)).await.is_err());
    world.proxy.black_hole(&[Direction::ToServer, Direction::ToClient]);
    server.write_all(b"held").await.unwrap();
    assert!(timeout(SHORT, client.read_exact(&mut bytes)).await.is_err());
    let (mut new_client, mut new_server) = world.connect().await;
    new_client.write_all(b"new").await.unwrap();
    assert!(timeout(SHORT, new_server.read_exact(&mut bytes[..3])).await.is_err(), "new connections hang too");
    world.proxy.heal();
    for end in [&mut client, &mut server] {
        timeout(PATIENT, end.read_exact(&mut bytes)).await.unwrap().unwrap();
        assert_eq!(&bytes, b"held");
    }
    timeout(PATIENT, new_server.read_exact(&mut bytes[..3])).await.unwrap().unwrap();
    assert_eq!(&bytes[..3], b"new");
}

#[tokio::test]
async fn a_black_hole_makes_its_sender_wait_and_not_the_memory_grow() {
    let world = World::new().await;
    let (mut client, _server) = world.connect().await;
    world.proxy.black_hole(&[Direction::ToServer]);
    // Far more than the buffers of two sockets.
    let all = vec![0; 64 << 20];
    assert!(timeout(SHORT * 10, client.write_all(&all)).await.is_err(), "somebody takes it all");
    assert_eq!(world.proxy.counts().to_server, 0);
}

#[tokio::test]
async fn a_delay_makes_data_wait() {
    let world = World::new().await;
    let (mut client, mut server) = world.connect().await;
    world.proxy.delay(SHORT * 3);
    client.write_all(b"late").await.unwrap();
    let mut bytes = [0; 4];
    assert!(timeout(SHORT, server.read_exact(&mut bytes)).await.is_err());
    timeout(PATIENT, server.read_exact(&mut bytes)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_moves_is_followed_and_one_that_is_away_hangs_up() {
    let world = World::new().await;
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    world.proxy.set_upstream(other.local_addr().unwrap());
    let mut client = TcpStream::connect(world.proxy.addr()).await.unwrap();
    let (mut server, _) = timeout(PATIENT, other.accept()).await.unwrap().unwrap();
    arrives(&mut client, &mut server, b"moved").await;
    drop(other);
    let mut client = TcpStream::connect(world.proxy.addr()).await.unwrap();
    assert_eq!(rest(&mut client).await.0, 0);
}

#[tokio::test]
async fn a_plan_is_played_in_order_and_heals_at_its_end() {
    let world = World::new().await;
    let (mut client, _server) = world.connect().await;
    let time = Duration::from_millis(1);
    let plan = [Fault::Delay { delay: time }, Fault::Cut].map(|fault| TimedFault { after: time, fault, lasts: time });
    world.proxy.play(&FaultPlan::new(plan.to_vec())).await;
    assert_eq!(rest(&mut client).await.0, 0);
    let (mut client, mut server) = world.connect().await;
    arrives(&mut client, &mut server, b"healed").await;
}

#[tokio::test]
async fn dropping_the_proxy_ends_its_connections() {
    let world = World::new().await;
    let (mut client, mut server) = world.connect().await;
    drop(world.proxy);
    assert_eq!(rest(&mut client).await.0, 0);
    assert_eq!(rest(&mut server).await.0, 0);
}
