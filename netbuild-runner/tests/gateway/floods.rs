//! Connections that say nothing, too much, or nonsense, while an honest runner goes on.

use std::net::SocketAddr;
use std::time::Duration;

use netbuild_core::model::{AttemptId, Digest};
use netbuild_runner::gateway::GatewayLimits;
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::world::{World, attempt, attempt_of, claim, key};

/// Far over every limit that these tests set: a test that fails ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// Over the tests' duration: no time limit has a part in what they see.
const NEVER: Duration = Duration::from_secs(60 * 60);

fn head(attempt: &AttemptId, request: &str, more: &str) -> String {
    let token = key().token(&claim(attempt));
    format!("{request} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {}\r\n{more}\r\n", token.expose_secret())
}

fn beat(attempt: &AttemptId) -> String {
    head(attempt, "POST /v1/heartbeat", "content-length: 15\r\n") + r#"{"phase":"run"}"#
}

async fn connect(world: &World) -> TcpStream {
    TcpStream::connect(world.address).await.unwrap()
}

/// Sends all of it and reads the status of the next answer.
async fn ask(socket: &mut TcpStream, text: &str) -> String {
    let mut answer = Vec::new();
    let exchange = async {
        socket.write_all(text.as_bytes()).await.unwrap();
        while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
            let mut piece = [0; 4096];
            let read = socket.read(&mut piece).await.unwrap();
            assert!(read > 0, "closed in the place of an answer");
            answer.extend_from_slice(&piece[..read]);
        }
    };
    timeout(PATIENCE, exchange).await.expect("an answer");
    String::from_utf8_lossy(&answer[9..12]).into_owned()
}

/// Whether the gateway closes the connection without a word.
async fn is_closed(mut socket: TcpStream) -> bool {
    matches!(timeout(PATIENCE, socket.read(&mut [0])).await, Ok(Ok(0) | Err(_)))
}

#[tokio::test]
async fn silent_connections_take_each_others_places_and_nobody_elses() {
    let limits = GatewayLimits { strangers: 8, head: NEVER, ..GatewayLimits::default() };
    let world = World::with_limits(limits).await;
    let mut honest = connect(&world).await;
    assert_eq!(ask(&mut honest, &beat(&attempt())).await, "200");
    let mut silent = Vec::new();
    for n in 0..1_000 {
        let mut socket = connect(&world).await;
        // Some say a part of something.
        socket.write_all(["", "POST /v1/heart", "PUT / HTTP/1.1\r\nx: "][n % 3].as_bytes()).await.unwrap();
        silent.push(socket);
        if n % 100 == 0 {
            assert_eq!(ask(&mut honest, &beat(&attempt())).await, "200", "its connection stays, after {n}");
        }
    }
    let mut newcomer = connect(&world).await;
    assert_eq!(ask(&mut newcomer, &beat(&attempt_of("other", "site", 1))).await, "200", "and a new one finds a place");
    let newest = silent.split_off(1_000 - 7);
    for socket in silent {
        assert!(is_closed(socket).await, "it made room");
    }
    for mut socket in newest {
        let status = ask(&mut socket, "\r\n\r\nnonsense\r\n\r\n").await;
        assert!(status.starts_with('4'), "the newest were left their places: {status}");
    }
}

#[tokio::test]
async fn a_head_that_drips_is_cut_off_and_an_upload_that_drips_holds_up_no_heartbeat() {
    let head_limit = Duration::from_millis(100);
    let world = World::with_limits(GatewayLimits { head: head_limit, ..GatewayLimits::default() }).await;
    let mut dripping = connect(&world).await;
    let drip = async {
        while dripping.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, drip).await.expect("it is cut off although it never pauses");

    let limits = GatewayLimits { idle: NEVER, upload: NEVER, head: NEVER, ..GatewayLimits::default() };
    let world = World::with_limits(limits).await;
    let mut uploads = Vec::new();
    for n in 1..=16 {
        let mut socket = connect(&world).await;
        let upload = head(&attempt(), &format!("PUT /v1/files/{}", Digest::of("x")), "content-length: 1000\r\n");
        socket.write_all(upload.as_bytes()).await.unwrap();
        socket.write_all(&vec![b'x'; n]).await.unwrap();
        uploads.push(socket);
    }
    let mut other = connect(&world).await;
    assert_eq!(ask(&mut other, &beat(&attempt_of("acme", "site", 2))).await, "200");
}

#[tokio::test]
async fn one_attempt_has_so_many_connections_and_others_have_theirs() {
    let limits = GatewayLimits { attempt_connections: 2, head: NEVER, ..GatewayLimits::default() };
    let world = World::with_limits(limits).await;
    let (mut first, mut second, mut third) = (connect(&world).await, connect(&world).await, connect(&world).await);
    assert_eq!(ask(&mut first, &beat(&attempt())).await, "200");
    assert_eq!(ask(&mut second, &beat(&attempt())).await, "200");
    assert_eq!(ask(&mut third, &beat(&attempt())).await, "429");
    assert!(is_closed(third).await);
    assert_eq!(ask(&mut first, &beat(&attempt())).await, "200", "those that it has stay");
    let mut other = connect(&world).await;
    assert_eq!(ask(&mut other, &beat(&attempt_of("acme", "site", 2))).await, "200");
    drop(first);
    let again = async { while ask(&mut connect(&world).await, &beat(&attempt())).await != "200" {} };
    timeout(PATIENCE, again).await.expect("a connection that ends leaves its place");
}

#[tokio::test]
async fn an_attempt_that_is_over_keeps_no_connection() {
    let limits = GatewayLimits { head: NEVER, trust: Duration::ZERO, ..GatewayLimits::default() };
    let world = World::with_limits(limits).await;
    let mut kept = connect(&world).await;
    assert_eq!(ask(&mut kept, &beat(&attempt())).await, "200");
    *world.control.answer.lock().unwrap() = Ok(netbuild_core::port::Order::Stop);
    assert_eq!(ask(&mut kept, &beat(&attempt())).await, "200");
    assert!(is_closed(kept).await, "told to stop, and closed");
    let mut forged = connect(&world).await;
    assert_eq!(ask(&mut forged, "POST /v1/heartbeat HTTP/1.1\r\nhost: a\r\n\r\n").await, "401");
    assert!(is_closed(forged).await);
}

#[tokio::test]
async fn one_address_cannot_take_the_places_of_strangers_from_others() {
    let limits = GatewayLimits { strangers: 16, peer_strangers: Some(2), head: NEVER, ..GatewayLimits::default() };
    let world = World::with_limits(limits).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
    let mut elsewhere = socket.connect(world.address).await.unwrap();
    let mut flood = Vec::new();
    for _ in 0..100 {
        flood.push(connect(&world).await);
    }
    for socket in flood.drain(..98) {
        assert!(is_closed(socket).await);
    }
    assert_eq!(ask(&mut elsewhere, &beat(&attempt())).await, "200", "it was never pushed out");
}

#[tokio::test]
async fn heads_are_bounded_in_bytes_and_fields() {
    let world = World::new().await;
    let large = format!("x: {}\r\n", "y".repeat(20 << 10));
    let many: String = (0..100).map(|n| format!("x{n}: y\r\n")).collect();
    for more in [large, many] {
        let mut socket = connect(&world).await;
        assert_eq!(ask(&mut socket, &head(&attempt(), "POST /v1/heartbeat", &more)).await, "431");
        assert!(is_closed(socket).await);
    }
    let endless = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(1 << 20));
    let mut socket = connect(&world).await;
    // It may be closed while it is still being sent to.
    let _ = timeout(PATIENCE, socket.write_all(endless.as_bytes())).await.expect("answered or closed");
    assert_eq!(ask(&mut connect(&world).await, &beat(&attempt())).await, "200");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_each_within_the_rate() {
    let world = World::with_limits(GatewayLimits { attempt_requests: 1, ..GatewayLimits::default() }).await;
    let mut socket = connect(&world).await;
    let last = head(&attempt(), "POST /v1/other", "content-length: 0\r\n");
    socket.write_all((beat(&attempt()).repeat(200) + &last).as_bytes()).await.unwrap();
    let mut answers = Vec::new();
    timeout(PATIENCE, socket.read_to_end(&mut answers)).await.unwrap().unwrap();
    let answers = String::from_utf8(answers).unwrap();
    let count = |status: &str| answers.matches(&format!("HTTP/1.1 {status} ")).count();
    assert_eq!((count("200") + count("429"), count("404")), (200, 1));
    assert!(count("429") > 0 && answers.starts_with("HTTP/1.1 200 "));
    assert_eq!(world.control.beats.lock().unwrap().len(), count("200"));
}

#[tokio::test]
async fn bodies_that_lie_about_their_length_store_nothing_wrong() {
    let world = World::with_limits(GatewayLimits { file_bytes: 100, ..GatewayLimits::default() }).await;
    let put = |length: &str| head(&attempt(), &format!("PUT /v1/files/{}", Digest::of("abc")), length);
    // Shorter than it says.
    let mut socket = connect(&world).await;
    socket.write_all((put("content-length: 50\r\n") + "abc").as_bytes()).await.unwrap();
    socket.shutdown().await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, socket.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1 2"));
    assert!(world.stored().is_empty());
    // Two lengths, a length that is none, and a length beside chunks.
    for length in [
        "content-length: 3\r\ncontent-length: 4\r\n",
        "content-length: -3\r\n",
        "content-length: 18446744073709551616\r\n",
        "transfer-encoding: chunked, gzip\r\n",
    ] {
        assert_eq!(ask(&mut connect(&world).await, &(put(length) + "abc")).await, "400", "{length}");
    }
    assert!(world.stored().is_empty());
    // Chunks without end, and chunks that are none.
    let mut socket = connect(&world).await;
    let endless = put("transfer-encoding: chunked\r\n") + &"a\r\n0123456789\r\n".repeat(11);
    socket.write_all(endless.as_bytes()).await.unwrap();
    drop(socket);
    assert_eq!(
        ask(&mut connect(&world).await, &(put("transfer-encoding: chunked\r\n") + "zz\r\nabc\r\n")).await,
        "503",
        "the body broke"
    );
    assert!(world.stored().is_empty());
    // Longer than it says: what is over is the next request.
    let mut socket = connect(&world).await;
    assert_eq!(ask(&mut socket, &(put("content-length: 3\r\n") + "abcdef ghi\r\n\r\n")).await, "204");
    assert_eq!(world.stored().len(), 1);
}

#[tokio::test]
async fn random_bytes_break_nothing() {
    let world =
        World::with_limits(GatewayLimits { head: Duration::from_millis(200), ..GatewayLimits::default() }).await;
    let valid = [
        beat(&attempt()),
        head(&attempt(), "PUT /v1/manifest", "transfer-encoding: chunked\r\n") + "c\r\n{\"files\":{}}\r\n0\r\n\r\n",
        head(&attempt(), "POST /v1/report", "content-length: 30\r\n") + r#"{"outcome":{"result":"cance"#,
    ];
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for n in 0..600 {
        let mut bytes = match valid.get(n % 4) {
            Some(request) => request.clone().into_bytes(),
            None => (0..random() % 2_000).map(|_| random().to_le_bytes()[3]).collect(),
        };
        for _ in 0..random() % 4 {
            let at = usize::try_from(random() % (bytes.len() as u64).max(1)).unwrap();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random().to_le_bytes()[5];
            }
        }
        let mut socket = connect(&world).await;
        // It may be closed while it is still being sent to.
        let _ = socket.write_all(&bytes).await;
        let _ = socket.shutdown().await;
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("answered or closed");
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 "), "{n}");
        assert!(!answer.starts_with(b"HTTP/1.1 500"), "{n}");
    }
    assert!(world.control.reports.lock().unwrap().is_empty());
    assert_eq!(ask(&mut connect(&world).await, &beat(&attempt_of("acme", "site", 9))).await, "200");
}
