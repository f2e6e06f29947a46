//! Recording and enqueueing in one transaction, and what is forgotten with time.

use std::time::Duration;

use netbuild_core::port::{Outbox, Queue};
use netbuild_core::testkit::ManualClock;
use netbuild_core::testkit::fixtures::publisher;
use netbuild_queue::sqlite::{SqliteOptions, SqliteQueue};
use rusqlite::Connection;

use crate::support::{Folder, START, events, open_with};

async fn received(queue: &SqliteQueue) -> Vec<u64> {
    let deliveries = queue.receive(1_000, Duration::ZERO).await.unwrap();
    deliveries.iter().map(|delivery| delivery.message.place.seq).collect()
}

#[tokio::test]
async fn what_is_recorded_is_in_the_queue_by_one_commit() {
    let (folder, clock) = (Folder::new(), ManualClock::new(START));
    let store = open_with(&folder.file(), SqliteOptions::default(), &clock).await;
    let outbox = store.outbox(publisher("api")).await.unwrap();
    let before = store.commits();
    outbox.record_and_publish(&events(1..=3)).await.unwrap();
    assert_eq!(store.commits() - before, 1);
    assert_eq!(outbox.backlog().await.unwrap().count, 0);
    assert_eq!(received(&store.queue()).await, [1, 2, 3]);
}

#[tokio::test]
async fn older_pending_events_go_first() {
    let (folder, clock) = (Folder::new(), ManualClock::new(START));
    let store = open_with(&folder.file(), SqliteOptions::default(), &clock).await;
    let outbox = store.outbox(publisher("api")).await.unwrap();
    outbox.record(&events(1..=2)).await.unwrap();
    outbox.record_and_publish(&events(3..=3)).await.unwrap();
    assert_eq!(received(&store.queue()).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_full_queue_leaves_the_rest_accepted_and_pending() {
    let (folder, clock) = (Folder::new(), ManualClock::new(START));
    let options = SqliteOptions { queue_limit: 2, ..SqliteOptions::default() };
    let store = open_with(&folder.file(), options, &clock).await;
    let outbox = store.outbox(publisher("api")).await.unwrap();
    let recorded = outbox.record_and_publish(&events(1..=3)).await.unwrap();
    assert_eq!(recorded.len(), 3);
    assert_eq!(received(&store.queue()).await, [1, 2]);
    assert_eq!(outbox.pending(0, 10).await.unwrap()[0].place.seq, 3);
}

#[tokio::test]
async fn a_publisher_beside_it_stores_nothing_twice() {
    let (folder, clock) = (Folder::new(), ManualClock::new(START));
    let store = open_with(&folder.file(), SqliteOptions::default(), &clock).await;
    let (outbox, queue) = (store.outbox(publisher("api")).await.unwrap(), store.queue());
    outbox.record(&events(1..=2)).await.unwrap();
    let pending = outbox.pending(0, 10).await.unwrap();
    outbox.record_and_publish(&events(3..=3)).await.unwrap();
    queue.publish(&pending).await.unwrap();
    outbox.published(2).await.unwrap();
    assert_eq!(received(&queue).await, [1, 2, 3]);
}

fn rows(folder: &Folder, table: &str) -> u64 {
    let connection = Connection::open(folder.file()).unwrap();
    let count = connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0));
    count.unwrap().try_into().unwrap()
}

#[tokio::test]
async fn old_keys_and_ids_are_forgotten_and_pending_events_never() {
    let (folder, clock) = (Folder::new(), ManualClock::new(START));
    let options = SqliteOptions {
        event_key_age: Duration::from_secs(100),
        dedupe_window: Duration::from_secs(100),
        ..SqliteOptions::default()
    };
    let store = open_with(&folder.file(), options, &clock).await;
    let outbox = store.outbox(publisher("api")).await.unwrap();
    outbox.record_and_publish(&events(1..=3)).await.unwrap();
    outbox.record(&events(4..=4)).await.unwrap();
    clock.advance(Duration::from_secs(100));
    outbox.published(3).await.unwrap();
    assert!(!outbox.record(&events(1..=1)).await.unwrap()[0].fresh, "a key is known for its whole age");
    clock.advance(Duration::from_secs(1));
    outbox.published(3).await.unwrap();
    assert_eq!(rows(&folder, "outbox_event"), 1, "the pending event is old and stays");
    let again = outbox.record(&events(1..=1)).await.unwrap();
    assert!(again[0].fresh && again[0].place.seq == 5, "a forgotten event is a new one: {again:?}");
    store.queue().publish(&outbox.pending(0, 1).await.unwrap()).await.unwrap();
    assert_eq!(rows(&folder, "queue_seen"), 1, "only the id that was just published is known");
}

#[tokio::test]
async fn a_published_build_is_freed() {
    let (folder, clock) = (Folder::new(), ManualClock::new(START));
    let store = open_with(&folder.file(), SqliteOptions::default(), &clock).await;
    store.outbox(publisher("api")).await.unwrap().record_and_publish(&events(1..=3)).await.unwrap();
    assert_eq!(rows(&folder, "outbox_event WHERE build IS NULL"), 3);
}
