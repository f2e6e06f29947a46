//! Each fault, seen from both ends, and what is left of it when it is healed.

use std::io::ErrorKind;
use std::time::Duration;

use netbuild_core::testkit::fault_proxy::Direction::{Both, ToClient, ToUpstream};
use netbuild_core::testkit::fault_proxy::{Fault, FaultProxy, ProxyCounts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::world::{World, is_silent, listen, receive, send};

#[tokio::test]
async fn bytes_and_ends_of_streams_go_through_in_both_directions() {
    let world = World::new().await;
    let (mut client, mut server) = world.connect().await;
    send("hello", &mut client, &mut server).await;
    client.shutdown().await.expect("it is open");
    assert_eq!(server.read(&mut [0]).await.expect("an end"), 0);
    // The other direction of a half-closed connection still works.
    send("goodbye", &mut server, &mut client).await;
    drop(server);
    assert_eq!(client.read(&mut [0]).await.expect("an end"), 0);
    let expected = ProxyCounts { connections: 1, bytes_to_upstream: 5, bytes_to_client: 7, ..ProxyCounts::default() };
    while world.proxy.counts().open > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.proxy.counts(), expected);
}

#[tokio::test]
async fn a_cut_closes_and_refuses_until_it_is_healed() {
    let world = World::new().await;
    let (mut client, mut server) = world.connect().await;
    send("hello", &mut client, &mut server).await;
    for cuts in 1..=3 {
        world.proxy.cut().await;
        assert_eq!(client.read(&mut [0]).await.expect("an end"), 0);
        assert_eq!(server.read(&mut [0]).await.expect("an end"), 0);
        assert_eq!(world.client().await.expect_err("refused").kind(), ErrorKind::ConnectionRefused);
        let counts = world.proxy.counts();
        assert_eq!((counts.open, counts.cuts), (0, cuts));

        world.proxy.heal().await;
        (client, server) = world.connect().await;
        send("again", &mut client, &mut server).await;
    }
}

#[tokio::test]
async fn the_port_of_a_cut_proxy_goes_to_nobody_else() {
    let world = World::new().await;
    world.proxy.cut().await;
    let taken = tokio::net::TcpListener::bind(world.proxy.address()).await;
    assert_eq!(taken.expect_err("it is taken").kind(), ErrorKind::AddrInUse);
    for _ in 0..50 {
        assert_ne!(listen().await.local_addr().expect("it is bound"), world.proxy.address());
    }
    world.proxy.heal().await;
    world.connect().await;
}

#[tokio::test]
async fn a_reset_is_one_for_both_ends_and_new_connections_are_welcome() {
    let world = World::new().await;
    let (mut client, mut server) = world.connect().await;
    send("hello", &mut client, &mut server).await;
    world.proxy.reset().await;
    for end in [&mut client, &mut server] {
        assert_eq!(end.read(&mut [0]).await.expect_err("a reset").kind(), ErrorKind::ConnectionReset);
    }
    let (mut client, mut server) = world.connect().await;
    send("again", &mut client, &mut server).await;
    assert_eq!(world.proxy.counts().resets, 1);
}

#[tokio::test]
async fn a_black_hole_loses_nothing_that_a_healed_network_would_not() {
    let world = World::new().await;
    let (mut client, mut server) = world.connect().await;
    world.proxy.black_hole(Both).await;
    client.write_all(b"question").await.expect("the system takes it");
    server.write_all(b"answer").await.expect("the system takes it");
    let mut unknown = world.client().await.expect("accepted");
    unknown.write_all(b"new").await.expect("the system takes it");
    assert!(is_silent(&mut server).await && is_silent(&mut client).await);
    let accepted = tokio::time::timeout(Duration::from_millis(30), world.server.accept()).await;
    assert!(accepted.is_err(), "the server does not hear of new connections");

    world.proxy.heal().await;
    receive("question", &mut server).await;
    receive("answer", &mut client).await;
    receive("new", &mut world.accept().await).await;
}

#[tokio::test]
async fn a_black_hole_keeps_ends_of_streams_too() {
    let world = World::new().await;
    let (mut client, mut server) = world.connect().await;
    world.proxy.black_hole(ToUpstream).await;
    client.write_all(b"last words").await.expect("the system takes it");
    drop(client);
    assert!(is_silent(&mut server).await, "a peer that died in a partition looks alive");
    world.proxy.heal().await;
    receive("last words", &mut server).await;
    assert_eq!(server.read(&mut [0]).await.expect("an end"), 0);
}

#[tokio::test]
async fn a_black_hole_can_be_of_one_direction() {
    let world = World::new().await;
    for (direction, to_server) in [(ToUpstream, false), (ToClient, true)] {
        let (mut client, mut server) = world.connect().await;
        world.proxy.black_hole(direction).await;
        let (open, held) = if to_server { (&mut server, &mut client) } else { (&mut client, &mut server) };
        send("open", held, open).await;
        open.write_all(b"held").await.expect("the system takes it");
        assert!(is_silent(held).await);
        world.proxy.heal().await;
        receive("held", held).await;
    }
}

/// A sender that nobody reads from must wait, or the proxy would hold all it sends.
#[tokio::test]
async fn a_held_direction_holds_its_sender_back() {
    let world = World::new().await;
    let (mut client, _server) = world.connect().await;
    world.proxy.black_hole(ToUpstream).await;
    let megabyte = vec![0; 1 << 20];
    let mut sent = 0;
    while let Ok(written) = tokio::time::timeout(Duration::from_millis(100), client.write(&megabyte)).await {
        sent += written.expect("it is open");
        assert!(sent < 64 << 20, "the proxy takes all of it");
    }
    assert_eq!(world.proxy.counts().bytes_to_upstream, 0);
}

#[tokio::test]
async fn a_cut_comes_after_so_many_bytes_and_not_one_more() {
    let world = World::new().await;
    for (direction, bytes) in [(ToUpstream, 7), (ToClient, 1), (Both, 40_000), (ToUpstream, 0)] {
        let (mut client, mut server) = world.connect().await;
        world.proxy.cut_after(bytes, direction).await;
        let frame = vec![b'x'; 100_000];
        let (from, to) = if direction == ToClient { (&mut server, &mut client) } else { (&mut client, &mut server) };
        let sending = async {
            // Its end may be cut before all of it is taken.
            let _ = from.write_all(&frame).await;
        };
        let mut received = Vec::new();
        // The end may come as a reset, because the sender's other bytes were not read.
        let (_, _, ()) = tokio::join!(sending, to.read_to_end(&mut received), world.proxy.until_cut());
        assert_eq!(received.len() as u64, bytes, "{direction:?}");
        assert!(world.client().await.is_err(), "it is a cut");
        world.proxy.heal().await;
    }
    assert_eq!(world.proxy.counts().cuts, 4);
}

#[tokio::test]
async fn bytes_against_the_counted_direction_do_not_count() {
    let world = World::new().await;
    let (mut client, mut server) = world.connect().await;
    world.proxy.cut_after(3, ToUpstream).await;
    send("as much as it likes", &mut server, &mut client).await;
    send("ab", &mut client, &mut server).await;
    assert_eq!(world.proxy.counts().cuts, 0);
    client.write_all(b"c").await.expect("it is open");
    receive("c", &mut server).await;
    world.proxy.until_cut().await;
}

#[tokio::test]
async fn a_delay_holds_each_piece_and_heal_lets_it_go() {
    let world = World::new().await;
    let (mut client, mut server) = world.connect().await;
    let start = Instant::now();
    world.proxy.delay(Duration::from_millis(40), ToUpstream).await;
    send("late", &mut client, &mut server).await;
    assert!(start.elapsed() >= Duration::from_millis(40));
    send("in time", &mut server, &mut client).await;

    world.proxy.delay(Duration::from_secs(3600), ToUpstream).await;
    client.write_all(b"much later").await.expect("it is open");
    assert!(is_silent(&mut server).await);
    world.proxy.heal().await;
    receive("much later", &mut server).await;
}

#[tokio::test]
async fn a_bandwidth_is_not_passed() {
    let world = World::new().await;
    let (mut client, mut server) = world.connect().await;
    let start = Instant::now();
    world.proxy.bandwidth(100_000, ToUpstream).await;
    send(&"x".repeat(20_000), &mut client, &mut server).await;
    // The wait for the last tenth of a second's bytes comes after them.
    assert!(start.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn a_server_may_come_back_on_another_port() {
    let mut world = World::new().await;
    let (mut client, server) = world.connect().await;
    let address = world.proxy.address();
    // The server dies, and for a while there is none.
    drop((server, std::mem::replace(&mut world.server, listen().await)));
    assert_eq!(client.read(&mut [0]).await.expect("an end"), 0);
    let mut early = world.client().await.expect("the proxy accepts");
    assert_eq!(early.read(&mut [0]).await.expect_err("a reset").kind(), ErrorKind::ConnectionReset);

    world.proxy.set_upstream(world.server.local_addr().expect("it is bound"));
    assert_eq!(world.proxy.address(), address);
    let (mut client, mut server) = world.connect().await;
    send("again", &mut client, &mut server).await;
}

#[tokio::test]
async fn a_dropped_proxy_closes_everything() {
    let World { server, proxy } = World::new().await;
    let address = proxy.address();
    let mut client = tokio::net::TcpStream::connect(address).await.expect("the proxy accepts");
    let (mut end, _) = server.accept().await.expect("the server accepts");
    drop(proxy);
    assert_eq!(client.read(&mut [0]).await.expect("an end"), 0);
    assert_eq!(end.read(&mut [0]).await.expect("an end"), 0);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

/// It is shared between a test and what plays its faults.
#[test]
fn a_proxy_is_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<FaultProxy>();
    shared::<Fault>();
}
