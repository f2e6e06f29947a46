//! Many callers, one commit; many stores, one file; deadlines and the end of the thread.

use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use netbuild_core::model::BuildId;
use netbuild_core::port::{Event, EventKey, Outbox, OutboxError, Queue, QueueError};
use netbuild_core::testkit::ManualClock;
use netbuild_core::testkit::fixtures::{build, event, publisher};
use netbuild_queue::sqlite::{SqliteError, SqliteOptions, SqliteOutbox};
use rusqlite::Connection;

use crate::support::{Folder, START, events, open, open_with, text};

/// Another process, as far as SQLite can tell, that holds the write lock until it is dropped.
fn lock(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

async fn seqs(outbox: &SqliteOutbox) -> Vec<u64> {
    outbox.pending(0, 10_000).await.unwrap().iter().map(|message| message.place.seq).collect()
}

#[tokio::test]
async fn concurrent_callers_share_a_commit_and_a_refused_one_fails_alone() {
    let folder = Folder::new();
    let store = open(&folder.file()).await;
    let outbox = store.outbox(publisher("api")).await.unwrap();
    outbox.record(&events(1..=1)).await.unwrap();
    let taken = Event { key: EventKey("another".to_owned()), build: build("acme", "site", 1) };
    let before = store.commits();
    let locked = lock(&folder.file());
    let calls = (2..=65).map(|n| {
        // The tenth call is refused after its first event was inserted.
        let batch = if n == 10 { vec![event(build("acme", "site", n)), taken.clone()] } else { events(n..=n) };
        let outbox = &outbox;
        async move { outbox.record(&batch).await }
    });
    // All calls are sent at the first poll; the lock goes after it.
    let (answers, ()) = tokio::join!(join_all(calls), async move { drop(locked) });
    let refused: Vec<_> = answers.iter().filter(|answer| answer.is_err()).collect();
    assert!(matches!(refused[..], [Err(OutboxError::BuildIdTaken(_))]), "{refused:?}");
    assert_eq!(seqs(&outbox).await, (1..=64).collect::<Vec<_>>(), "no gap where the refused call was");
    let commits = store.commits() - before;
    assert!(commits <= 3, "64 concurrent calls took {commits} commits");
}

#[tokio::test]
async fn a_call_that_waits_too_long_for_the_lock_is_unavailable_and_never_carried_out() {
    let (folder, clock) = (Folder::new(), ManualClock::new(START));
    let short = Duration::from_millis(100);
    let long = Duration::from_secs(30);
    for (busy_timeout, call_deadline, reason) in [(short, long, "was locked by another"), (long, short, "no answer")] {
        let options = SqliteOptions { busy_timeout, call_deadline, ..SqliteOptions::default() };
        let store = open_with(&folder.file(), options, &clock).await;
        let outbox = store.outbox(publisher("api")).await.unwrap();
        let locked = lock(&folder.file());
        let error = outbox.record(&events(1..=1)).await.unwrap_err();
        assert!(matches!(error, OutboxError::Unavailable(_)), "{}", text(&error));
        assert!(text(&error).contains(reason), "{}", text(&error));
        drop(locked);
        // Closing carries out what was called before, and this was not.
        store.close().await;
        let outbox = open(&folder.file()).await.outbox(publisher("api")).await.unwrap();
        assert_eq!(seqs(&outbox).await, Vec::<u64>::new());
    }
}

#[tokio::test]
async fn reads_do_not_wait_for_the_write_lock() {
    let folder = Folder::new();
    let store = open(&folder.file()).await;
    let outbox = store.outbox(publisher("api")).await.unwrap();
    outbox.record(&events(1..=1)).await.unwrap();
    let _locked = lock(&folder.file());
    assert_eq!(seqs(&outbox).await, [1]);
    assert!(store.queue().receive(1, Duration::ZERO).await.unwrap().is_empty());
}

#[tokio::test]
async fn two_stores_of_one_file_share_one_order() {
    let folder = Folder::new();
    let stores = [open(&folder.file()).await, open(&folder.file()).await];
    let outboxes = join_all(stores.iter().map(|store| store.outbox(publisher("api")))).await;
    let outboxes: Vec<_> = outboxes.into_iter().map(Result::unwrap).collect();
    assert_eq!(outboxes[0].publisher(), outboxes[1].publisher(), "the epoch is made once");
    let calls = (1..=40).map(|n| {
        let outbox = outboxes[usize::try_from(n % 2).unwrap()].clone();
        async move { outbox.record(&events(n..=n)).await.unwrap().remove(0) }
    });
    let mut recorded = join_all(calls).await;
    recorded.sort_by_key(|recorded| recorded.place.seq);
    let pending = outboxes[0].pending(0, 100).await.unwrap();
    let builds: Vec<BuildId> = pending.iter().map(|message| message.build.id).collect();
    assert_eq!(builds, recorded.iter().map(|recorded| recorded.build).collect::<Vec<_>>());
    assert_eq!(seqs(&outboxes[1]).await, (1..=40).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_receive_hears_of_what_another_store_published() {
    let folder = Folder::new();
    let (here, there) = (open(&folder.file()).await, open(&folder.file()).await);
    let queue = here.queue();
    let outbox = there.outbox(publisher("api")).await.unwrap();
    let publish = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        outbox.record_and_publish(&events(1..=1)).await.unwrap();
    };
    let (received, ()) = tokio::join!(queue.receive(1, Duration::from_secs(20)), publish);
    assert_eq!(received.unwrap()[0].message.place.seq, 1);
}

#[tokio::test]
async fn a_closed_store_keeps_what_it_was_given_and_refuses_more() {
    let folder = Folder::new();
    let store = open(&folder.file()).await;
    let (outbox, queue) = (store.outbox(publisher("api")).await.unwrap(), store.queue());
    let batch = events(1..=3);
    let (recorded, ()) = tokio::join!(outbox.record(&batch), store.close());
    recorded.unwrap();
    let error = queue.depth().await.unwrap_err();
    assert!(matches!(error, QueueError::Unavailable(_)) && text(&error).contains("closed"), "{}", text(&error));
    let no_log = folder.file().with_extension("db-wal");
    assert!(!no_log.exists(), "a file that is closed by all has no write-ahead log");
    let outbox = open(&folder.file()).await.outbox(publisher("api")).await.unwrap();
    assert_eq!(seqs(&outbox).await, [1, 2, 3]);
}

#[tokio::test]
async fn the_last_port_to_go_closes_the_file() {
    let folder = Folder::new();
    let store = open(&folder.file()).await;
    let queue = store.queue();
    drop(store);
    assert_eq!(queue.depth().await.unwrap().ready, 0, "a port keeps the store open");
    drop(queue);
    assert!(!folder.file().with_extension("db-wal").exists(), "the thread was joined");
}

#[test]
fn errors_cross_threads() {
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<SqliteError>();
}
