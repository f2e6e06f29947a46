//! Slow clients, full gateways and shutdowns.

use std::time::Duration;

use netbuild_core::model::Digest;
use netbuild_runner::gateway::GatewayLimits;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::world::{World, answer, attempt, attempt_of, claim, key};

/// Far over every limit that these tests set: a test that fails ends.
const PATIENCE: Duration = Duration::from_secs(60);

const SHORT: Duration = Duration::from_millis(100);

async fn beat(world: &World) -> u16 {
    answer(world.request(Method::POST, "/v1/heartbeat", &attempt()).json(&json!({"phase": "run"}))).await.status
}

/// A connection that sent the head of an upload and the first bytes of its body.
async fn begin_upload(world: &World, account: &str, content: &[u8], sent: usize) -> TcpStream {
    let token = key().token(&claim(&attempt_of(account, "site", 1)));
    let mut socket = TcpStream::connect(world.address).await.unwrap();
    let head = format!(
        "PUT /v1/files/{} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
        Digest::of(content),
        token.expose_secret(),
        content.len(),
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&content[..sent]).await.unwrap();
    socket
}

/// All that the gateway sends until it closes or resets the connection.
async fn rest(mut socket: TcpStream) -> String {
    let mut bytes = Vec::new();
    let end = timeout(PATIENCE, socket.read_to_end(&mut bytes)).await.expect("the gateway closes the connection");
    assert!(end.is_ok() || bytes.is_empty(), "an answer arrives whole");
    String::from_utf8(bytes).unwrap()
}

async fn until(condition: impl Fn() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, poll).await.expect("it happens");
}

#[tokio::test]
async fn a_client_that_sends_no_head_is_dropped() {
    let world = World::with_limits(GatewayLimits { head: SHORT, ..GatewayLimits::default() }).await;
    for head in ["", "POST /v1/heartbeat HTTP/1.1\r\nhost: ", "GET / HTTP/1.1\r\nhost: a\r\n\r\n"] {
        let mut socket = TcpStream::connect(world.address).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        rest(socket).await;
    }
}

#[tokio::test]
async fn a_body_that_pauses_is_refused() {
    let world = World::with_limits(GatewayLimits { idle: SHORT, ..GatewayLimits::default() }).await;
    let large = vec![b'x'; 9 << 20];
    for (content, sent) in [(&b"0123456789"[..], 3), (&large[..], (8 << 20) + 1)] {
        let socket = begin_upload(&world, "acme", content, sent).await;
        let answer = rest(socket).await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(world.stored().is_empty(), "also no parts");
    }
}

#[tokio::test]
async fn a_body_that_drips_is_refused_at_its_deadline() {
    let world = World::with_limits(GatewayLimits { upload: SHORT, ..GatewayLimits::default() }).await;
    let mut socket = begin_upload(&world, "acme", &[b'x'; 10_000], 0).await;
    let drip = async {
        while socket.write_all(b"x").await.is_ok() {
            let mut byte = [0];
            if let Ok(Ok(_)) = timeout(Duration::from_millis(5), socket.read(&mut byte)).await {
                return byte;
            }
        }
        *b"-"
    };
    assert_eq!(timeout(PATIENCE, drip).await.unwrap(), *b"H", "an answer came before the body ended");
}

#[tokio::test]
async fn a_client_that_sends_before_it_reads_gets_its_refusal() {
    let world = World::with_limits(GatewayLimits { file_bytes: 10, ..GatewayLimits::default() }).await;
    let content = vec![b'x'; 30 << 20];
    let mut socket = begin_upload(&world, "acme", &content, content.len()).await;
    let mut status = [0; 12];
    timeout(PATIENCE, socket.read_exact(&mut status)).await.unwrap().unwrap();
    assert_eq!(status, *b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing() {
    let mut world = World::new().await;
    let socket = begin_upload(&world, "acme", &vec![b'x'; 20 << 20], 10 << 20).await;
    until(|| !world.stored().is_empty()).await;
    drop(socket);
    until(|| world.stored().is_empty()).await;
    world.stop().await;
}

#[tokio::test]
async fn a_scheduler_that_does_not_answer_is_not_waited_for() {
    let world = World::with_limits(GatewayLimits { request: SHORT, ..GatewayLimits::default() }).await;
    let permit = world.control.may_answer.acquire().await.unwrap();
    assert_eq!(beat(&world).await, 503);
    drop(permit);
    assert_eq!(beat(&world).await, 200);
}

#[tokio::test]
async fn uploads_of_one_account_hold_up_neither_others_nor_heartbeats() {
    let limits = GatewayLimits { uploads: 2, account_uploads: 1, ..GatewayLimits::default() };
    let world = World::with_limits(limits).await;
    let first = begin_upload(&world, "acme", b"0123456789", 3).await;
    let waiting = begin_upload(&world, "acme", b"0123456789", 3).await;
    let other = timeout(PATIENCE, world.upload(&attempt_of("other", "site", 1), "x")).await.unwrap();
    assert_eq!(other.status, 204);
    assert_eq!(beat(&world).await, 200);
    let own = attempt();
    let mut own = Box::pin(world.upload(&own, "x"));
    assert!(timeout(SHORT, &mut own).await.is_err(), "it waits for its turn");
    drop((first, waiting));
    assert_eq!(timeout(PATIENCE, own).await.unwrap().status, 204);
}

#[tokio::test]
async fn a_shutdown_lets_requests_end_and_closes_idle_connections() {
    let mut world =
        World::with_limits(GatewayLimits { drain: PATIENCE * 100, head: PATIENCE * 100, ..GatewayLimits::default() })
            .await;
    let permit = world.control.may_answer.acquire().await.unwrap();
    let request = world.request(Method::POST, "/v1/heartbeat", &attempt()).json(&json!({"phase": "run"}));
    let in_flight = tokio::task::JoinSet::from_iter([answer(request)]);
    until(|| !world.control.beats.lock().unwrap().is_empty()).await;
    world.begin_stop();
    drop(permit);
    assert_eq!(in_flight.join_all().await[0].status, 200);
    timeout(PATIENCE, world.stop()).await.unwrap();
    assert!(TcpStream::connect(world.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let mut world = World::with_limits(GatewayLimits { drain: SHORT, ..GatewayLimits::default() }).await;
    let socket = begin_upload(&world, "acme", b"0123456789", 3).await;
    assert_eq!(beat(&world).await, 200, "the connection before this one was taken");
    timeout(PATIENCE, world.stop()).await.unwrap();
    assert_eq!(rest(socket).await, "", "dropped without an answer");
}
