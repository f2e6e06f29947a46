//! What a broken connection and a frozen server mean to a caller.

use std::time::Duration;

use netbuild_core::port::{Effect, Event, Message, Outbox, Queue, Receipt};
use netbuild_core::testkit::fault_proxy::{Direction, FaultProxy};
use netbuild_core::testkit::fixtures::{build, event, message, publisher};
use netbuild_queue::ConnectionState;
use netbuild_queue::postgres::tokio_postgres::Client;
use netbuild_queue::postgres::{PostgresOptions, PostgresStore};
use netbuild_servers::PostgresServer;

use super::support::{Server, client, open};

const BATCH: u64 = 4;

fn events(from: u64) -> Vec<Event> {
    (from..from + BATCH).map(|number| event(build("acme", "site", number))).collect()
}

fn messages(from: u64) -> Vec<Message> {
    (from..from + BATCH).map(|number| message("api", number, build("acme", "site", number))).collect()
}

/// A store behind a proxy, with one connection and one for news.
async fn behind_proxy(server: &Server, call_deadline: Duration) -> (FaultProxy, PostgresStore) {
    let proxy = FaultProxy::start(server.server.addr()).await.unwrap();
    let options = PostgresOptions { connections: 1, call_deadline, ..PostgresOptions::default() };
    let store = open(&PostgresServer::url_at(proxy.addr()), options).await;
    (proxy, store)
}

async fn count(client: &Client, table: &str) -> u64 {
    // What a broken connection left under way is over when its locks are.
    let count = format!("LOCK netbuild.{table} IN SHARE MODE; SELECT count(*) FROM netbuild.{table}");
    let rows = client.simple_query(&count).await.unwrap();
    let row = rows.iter().find_map(|message| match message {
        netbuild_queue::postgres::tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    row.unwrap().parse().unwrap()
}

/// How calls ended whose connection broke, at every place of the way.
#[derive(Debug, Default)]
struct Ends {
    none: u32,
    unknown_stored: u32,
    unknown_lost: u32,
}

/// Repeats a call while the connection breaks after ever more bytes, and holds every answer against the table.
async fn break_everywhere(
    store: &PostgresStore,
    proxy: &FaultProxy,
    client: &Client,
    table: &str,
    direction: Direction,
    bytes: impl Iterator<Item = u64>,
    call: impl AsyncFn(u64) -> Result<(), Effect>,
) -> Ends {
    let mut ends = Ends::default();
    for (from, bytes) in (1..).step_by(2 * BATCH as usize).zip(bytes) {
        // The statements are prepared then, so that what breaks is the call.
        while store.queue().depth().await.is_err() {}
        while call(from).await.is_err() {}
        let before = count(client, table).await;
        proxy.cut_after(bytes, direction);
        let answer = call(from + BATCH).await;
        proxy.heal();
        let stored = count(client, table).await - before;
        assert!(stored == 0 || stored == BATCH, "after {bytes} bytes {stored} of {BATCH} are stored");
        match answer {
            Ok(()) => assert_eq!(stored, BATCH, "after {bytes} bytes what was confirmed is not there"),
            Err(Effect::None) => {
                assert_eq!(stored, 0, "after {bytes} bytes: stored, and told that nothing was written");
                ends.none += 1;
            }
            Err(Effect::Unknown) if stored == 0 => ends.unknown_lost += 1,
            Err(Effect::Unknown) => ends.unknown_stored += 1,
        }
    }
    ends
}

#[tokio::test]
async fn only_a_commit_whose_answer_was_lost_is_unknown() {
    let server = Server::start();
    let (proxy, store) = behind_proxy(&server, Duration::from_secs(10)).await;
    let client = client(&server.server.url()).await;
    let queue = store.queue();
    let publish = async |from| queue.publish(&messages(from)).await.map_err(|error| error.effect());
    let outbox = store.outbox(publisher("api")).await.unwrap();
    let record = async |from| outbox.record(&events(from)).await.map(drop).map_err(|error| error.effect());

    let to_client = || (1..700).step_by(13);
    let to_server = || (1..6_000).step_by(97);
    let published =
        break_everywhere(&store, &proxy, &client, "queue_ready", Direction::ToClient, to_client(), &publish).await;
    let recorded =
        break_everywhere(&store, &proxy, &client, "outbox_event", Direction::ToClient, to_client(), &record).await;
    for ends in [&published, &recorded] {
        assert!(ends.none > 3 && ends.unknown_stored > 0, "{ends:?}");
    }
    // The other way most of it breaks before the commit is on its way.
    let from = 1_000_000;
    let publish = async |number| publish(from + number).await;
    let record = async |number| record(from + number).await;
    let published =
        break_everywhere(&store, &proxy, &client, "queue_ready", Direction::ToServer, to_server(), &publish).await;
    let recorded =
        break_everywhere(&store, &proxy, &client, "outbox_event", Direction::ToServer, to_server(), &record).await;
    for ends in [&published, &recorded] {
        assert!(ends.none > 3, "{ends:?}");
    }
}

#[tokio::test]
async fn a_frozen_server_costs_a_deadline_and_is_told() {
    let server = Server::start();
    let (_proxy, store) = behind_proxy(&server, Duration::from_secs(1)).await;
    let queue = store.queue();
    queue.publish(&messages(1)).await.unwrap();
    let taken = queue.receive(2, Duration::ZERO).await.unwrap();
    let receipts: Vec<Receipt> = taken.iter().map(|delivery| delivery.receipt.clone()).collect();
    let mut state = store.connection();
    assert_eq!(*state.borrow_and_update(), ConnectionState::Connected);

    server.server.freeze();
    // The connection that was made knows its way: the call is on it, and never ends.
    let ack = queue.ack(&receipts).await.unwrap_err();
    assert_eq!(ack.effect(), Effect::Unknown, "{ack:?}");
    // A new connection comes to nothing, and so does what would go over it.
    let publish = queue.publish(&messages(11)).await.unwrap_err();
    assert_eq!(publish.effect(), Effect::None, "{publish:?}");
    state.wait_for(|state| matches!(state, ConnectionState::Lost { .. })).await.unwrap();

    server.server.thaw();
    state.wait_for(|state| *state == ConnectionState::Connected).await.unwrap();
    while queue.ack(&receipts).await.is_err() {}
    let depth = queue.depth().await.unwrap();
    assert_eq!((depth.ready, depth.unacked), (BATCH - 2, 0), "acked, and nothing of the second batch");
}

#[tokio::test]
async fn a_server_that_was_killed_has_what_it_confirmed_and_is_found_again() {
    let mut server = Server::start();
    let (_proxy, store) = behind_proxy(&server, Duration::from_secs(5)).await;
    let (queue, outbox) = (store.queue(), store.outbox(publisher("api")).await.unwrap());
    let mut confirmed = 0;
    for round in 0..3 {
        for batch in 0..20 {
            let from = 1 + (round * 20 + batch) * BATCH;
            outbox.record_and_publish(&events(from)).await.unwrap();
            confirmed += BATCH;
        }
        server.server.kill();
        assert_eq!(queue.publish(&messages(1_000_000)).await.unwrap_err().effect(), Effect::None);
        server.server.start_again().unwrap();
        let mut state = store.connection();
        state.wait_for(|state| *state == ConnectionState::Connected).await.unwrap();
        assert_eq!(queue.depth().await.unwrap().ready, confirmed);
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_nothing_half_done_and_no_connection_behind() {
    let server = Server::start();
    let (_proxy, store) = behind_proxy(&server, Duration::from_secs(10)).await;
    let queue = store.queue();
    let mut certain = 0;
    for number in 0..100 {
        let batch = messages(1 + number * BATCH);
        let patience = Duration::from_micros(50 * number);
        if let Ok(published) = tokio::time::timeout(patience, queue.publish(&batch)).await {
            published.unwrap();
            certain += BATCH;
        }
    }
    // The only connection of the store works, in a transaction of its own.
    let depth = queue.depth().await.unwrap();
    let ready = depth.ready;
    assert!(ready >= certain && ready.is_multiple_of(BATCH), "{ready} ready, {certain} certain");
    queue.publish(&messages(1_000_000)).await.unwrap();
    assert_eq!(queue.depth().await.unwrap().ready, ready + BATCH);
}
