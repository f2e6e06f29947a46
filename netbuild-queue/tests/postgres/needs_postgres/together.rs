//! Several stores of one schema at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use netbuild_core::port::{
    Batch, Clock, Effect, Event, Lead, LeaderLease, Ledger, LedgerError, Message, Outbox, Queue, SystemClock,
};
use netbuild_core::testkit::fault_proxy::{Direction, FaultProxy};
use netbuild_core::testkit::fixtures::{build, event, holder, message, publisher};
use netbuild_queue::postgres::tokio_postgres::{AsyncMessage, NoTls, connect};
use netbuild_queue::postgres::{PostgresOptions, PostgresStore};
use netbuild_servers::PostgresServer;

use super::support::{Server, client, open};

fn events(numbers: std::ops::Range<u64>) -> Vec<Event> {
    numbers.map(|number| event(build("acme", "site", number))).collect()
}

async fn stores(server: &Server, count: usize) -> Vec<PostgresStore> {
    let address = server.server.url();
    join_all((0..count).map(|_| open(&address, PostgresOptions::default()))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishers_side_by_side_record_each_event_once_and_without_gaps() {
    let server = Server::start();
    let stores = stores(&server, 4).await;
    let fresh = AtomicU64::new(0);
    // Two processes for each of two publishers, all with the same events in batches that overlap.
    let record = async |index: usize, store: &PostgresStore| {
        let outbox = store.outbox(publisher(["api-1", "api-2"][index % 2])).await.unwrap();
        for number in 0..40 {
            let mut batch = events(1 + number * 5..1 + number * 5 + 10);
            if index >= 2 {
                batch.reverse();
            }
            let recorded = outbox.record(&batch).await.unwrap();
            fresh.fetch_add(recorded.iter().filter(|one| one.fresh).count() as u64, Ordering::Relaxed);
            for (recorded, event) in recorded.iter().zip(&batch) {
                assert_eq!(recorded.build, event.build.id);
            }
        }
    };
    join_all(stores.iter().enumerate().map(|(index, store)| record(index, store))).await;
    assert_eq!(fresh.into_inner(), 205);
    let mut all = BTreeSet::new();
    for name in ["api-1", "api-2"] {
        let outbox = stores[0].outbox(publisher(name)).await.unwrap();
        let pending = outbox.pending(0, 1_000).await.unwrap();
        let seqs: Vec<u64> = pending.iter().map(|message| message.place.seq).collect();
        assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "{name}");
        all.extend(pending.into_iter().map(|message| message.build.id));
    }
    assert_eq!(all.len(), 205);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_share_and_each_publishers_order_is_kept() {
    const MESSAGES: u64 = 2_000;
    let server = Server::start();
    let stores = stores(&server, 4).await;
    let received = AtomicU64::new(0);
    let publish = async |index: usize, queue: &dyn Queue| {
        let name = format!("api-{index}");
        for from in (1..=MESSAGES).step_by(50) {
            let of = |seq| message(&name, seq, build("acme", "site", index as u64 * 1_000_000 + seq));
            let batch: Vec<Message> = (from..from + 50).map(of).collect();
            queue.publish(&batch).await.unwrap();
        }
    };
    // One consumer, or what is first and what is second could not be told.
    let consume = async {
        let queue = stores[3].queue();
        let mut last = [0; 3];
        while received.load(Ordering::Relaxed) < 3 * MESSAGES {
            let deliveries = queue.receive(64, Duration::from_secs(30)).await.unwrap();
            assert!(!deliveries.is_empty());
            for delivery in &deliveries {
                let place = &delivery.message.place;
                let index: usize = place.publisher.as_str().strip_prefix("api-").unwrap().parse().unwrap();
                assert_eq!(place.seq, last[index] + 1, "of {}", place.publisher);
                last[index] = place.seq;
            }
            received.fetch_add(deliveries.len() as u64, Ordering::Relaxed);
            let receipts: Vec<_> = deliveries.into_iter().map(|delivery| delivery.receipt).collect();
            queue.ack(&receipts).await.unwrap();
        }
        let depth = queue.depth().await.unwrap();
        assert_eq!((depth.ready, depth.unacked), (0, 0));
    };
    let queues: Vec<_> = stores[..3].iter().map(PostgresStore::queue).collect();
    let publishing = join_all(queues.iter().enumerate().map(|(index, queue)| publish(index, queue)));
    futures_util::future::join(publishing, consume).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_schedulers_one_leads_at_a_time() {
    const TERMS: usize = 4;
    let server = Server::start();
    let stores = stores(&server, 4).await;
    let ttl = Duration::from_millis(300);
    let clock = Arc::new(SystemClock::new());
    // Until when each holder may believe that it leads, by a clock that all share, from before it asked.
    let led = join_all(stores.iter().enumerate().map(async |(index, store)| {
        let (ledger, me) = (store.ledger(), holder(&format!("scheduler-{index}")));
        let mut led = Vec::new();
        // Who led for all its terms asks no more, so each comes to lead.
        for term in 0..TERMS {
            let mut held = Vec::new();
            while held.len() < 3 {
                let asked = clock.now();
                if let Lead::Held { epoch } = ledger.lead(&me, ttl).await.unwrap() {
                    held.push((clock.now(), asked + ttl, epoch, index));
                }
                tokio::time::sleep(ttl / 20).await;
            }
            if term % 2 == 0 {
                // From here on it does not lead any more.
                let end = clock.now();
                ledger.resign(held[2].2).await.unwrap();
                held.iter_mut().for_each(|(_, until, ..)| *until = end.min(*until));
            } else {
                tokio::time::sleep(ttl).await;
            }
            led.extend(held);
        }
        led
    }))
    .await;
    // An answer that took longer than the lease says nothing.
    let mut led: Vec<_> = led.into_iter().flatten().filter(|(from, until, ..)| from < until).collect();
    led.sort();
    assert_eq!(led.iter().map(|(.., index)| index).collect::<BTreeSet<_>>().len(), stores.len());
    for pair in led.windows(2) {
        let ((_, until, epoch, first), (from, _, next, second)) = (pair[0], pair[1]);
        if first != second {
            assert!(until <= from && epoch < next, "{first} may believe until {until:?}, {second} leads from {from:?}");
        }
    }
}

#[tokio::test]
async fn a_leader_behind_a_partition_is_fenced_when_it_comes_back() {
    let server = Server::start();
    let proxy = FaultProxy::start(server.server.addr()).await.unwrap();
    let options = || PostgresOptions { call_deadline: Duration::from_secs(1), ..PostgresOptions::default() };
    let old = open(&PostgresServer::url_at(proxy.addr()), options()).await.ledger();
    let new = open(&server.server.url(), options()).await.ledger();
    let ttl = Duration::from_millis(500);
    let Lead::Held { epoch } = old.lead(&holder("old"), ttl).await.unwrap() else { panic!("it is free") };
    old.append(&Batch { epoch, number: 1, changes: Vec::new() }).await.unwrap();

    proxy.black_hole(&[Direction::ToServer, Direction::ToClient]);
    let cut_off = old.append(&Batch { epoch, number: 2, changes: Vec::new() }).await.unwrap_err();
    assert_eq!(cut_off.effect(), Effect::None, "{cut_off:?}");
    let next = loop {
        match new.lead(&holder("new"), ttl).await.unwrap() {
            Lead::Held { epoch } => break epoch,
            Lead::Taken { left, .. } => tokio::time::sleep(left).await,
        }
    };
    assert!(next > epoch);
    proxy.heal();
    let fenced = loop {
        match old.append(&Batch { epoch, number: 2, changes: Vec::new() }).await {
            Err(LedgerError::Unavailable(_)) => {}
            answer => break answer.unwrap_err(),
        }
    };
    assert!(matches!(fenced, LedgerError::Fenced { current } if current == next), "{fenced:?}");
}

#[tokio::test]
async fn a_lock_of_somebody_else_ends_a_call_without_effect() {
    let server = Server::start();
    let options = PostgresOptions { call_deadline: Duration::from_secs(1), ..PostgresOptions::default() };
    let ledger = open(&server.server.url(), options).await.ledger();
    let client = client(&server.server.url()).await;
    client.batch_execute("BEGIN; SELECT * FROM netbuild.ledger_lease FOR UPDATE").await.unwrap();
    let error = ledger.lead(&holder("a"), Duration::from_secs(60)).await.unwrap_err();
    assert_eq!(error.effect(), Effect::None, "{error:?}");
    client.batch_execute("ROLLBACK").await.unwrap();
    assert!(matches!(ledger.lead(&holder("b"), Duration::from_secs(60)).await.unwrap(), Lead::Held { .. }));
}

#[tokio::test]
async fn a_batch_is_told_once_and_so_are_many_that_come_close() {
    const BATCHES: u64 = 200;
    let server = Server::start();
    let store = open(&server.server.url(), PostgresOptions::default()).await;
    let other = client(&server.server.url()).await;
    let (listener, mut connection) = connect(&server.server.url(), NoTls).await.unwrap();
    let mut told = futures_util::stream::poll_fn(move |context| connection.poll_message(context));
    let (heard, _) = futures_util::future::join(
        async {
            let mut heard = 0_u64;
            while let Some(Ok(AsyncMessage::Notification(news))) = told.next().await {
                if news.payload() == "end" {
                    break;
                }
                heard += 1;
            }
            heard
        },
        async {
            listener.batch_execute("LISTEN netbuild_netbuild").await.unwrap();
            for number in 1..=BATCHES {
                let batch: Vec<Message> =
                    (0..10).map(|n| message("api", number, build("acme", "site", number * 10 + n))).collect();
                store.queue().publish(&batch).await.unwrap();
            }
            // The last news may still be on its way when this is committed; it is not needed for the count.
            other.batch_execute("NOTIFY netbuild_netbuild, 'end'").await.unwrap();
        },
    )
    .await;
    assert!((1..=BATCHES).contains(&heard), "{heard} news of {BATCHES} batches of 10");
}
