//! What a store says of files that are not as it left them.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use netbuild_core::model::Rank;
use netbuild_core::port::{Backlog, BuildQuery, History, Lead, LeaderLease, Ledger, LedgerError, Outbox, OutboxError};
use netbuild_core::port::{Queue, QueueError, SystemClock};
use netbuild_core::testkit::ManualClock;
use netbuild_core::testkit::fixtures::{build, holder, message, publisher};
use netbuild_queue::sqlite::{SqliteError, SqliteOptions, SqliteStore};
use rusqlite::Connection;
use tokio::time::timeout;

use crate::support::{Folder, START, events, open, open_with, text, try_open};

#[tokio::test]
async fn a_file_of_a_newer_netbuild_is_refused_and_left_alone() {
    let folder = Folder::new();
    open(&folder.file()).await.close().await;
    let connection = Connection::open(folder.file()).unwrap();
    connection.pragma_update(None, "user_version", 1_000).unwrap();
    drop(connection);
    let before = fs::read(folder.file()).unwrap();
    let error = try_open(&folder.file()).await.unwrap_err();
    assert!(matches!(error, SqliteError::NewerSchema { found: 1_000, .. }), "{error}");
    assert_eq!(fs::read(folder.file()).unwrap(), before);
}

#[tokio::test]
async fn the_database_of_another_application_is_refused_and_left_alone() {
    for setup in ["CREATE TABLE theirs (a)", "PRAGMA application_id = 7", "PRAGMA user_version = 3"] {
        let folder = Folder::new();
        let connection = Connection::open(folder.file()).unwrap();
        connection.execute_batch(setup).unwrap();
        drop(connection);
        let before = fs::read(folder.file()).unwrap();
        let error = try_open(&folder.file()).await.unwrap_err();
        assert!(matches!(error, SqliteError::OtherApplication { .. }), "{setup}: {error}");
        assert_eq!(fs::read(folder.file()).unwrap(), before, "{setup}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_damaged() {
    let folder = Folder::new();
    fs::write(folder.file(), "not a database ".repeat(1_000)).unwrap();
    let error = try_open(&folder.file()).await.unwrap_err();
    assert!(matches!(error, SqliteError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("netbuild.db"), "{error}");
}

#[tokio::test]
async fn a_place_that_cannot_be_opened_is_named() {
    let folder = Folder::new();
    for path in [folder.file().join("below/a/file.db"), folder.file().parent().unwrap().to_owned()] {
        let error = try_open(&path).await.unwrap_err();
        assert!(matches!(error, SqliteError::Open { .. }), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}

/// Reads and writes everything; answers the first error that says that something is damaged.
async fn use_all(store: &SqliteStore) -> Option<String> {
    let mut found = Vec::new();
    match store.outbox(publisher("api")).await {
        Ok(outbox) => {
            found.push(outbox.pending(0, 1_000).await.err().map(outbox_text));
            found.push(outbox.record(&events(900..=901)).await.err().map(outbox_text));
        }
        Err(error) => found.push(Some(outbox_text(error))),
    }
    let received = store.queue().receive(1_000, std::time::Duration::ZERO).await;
    found.push(received.err().map(|error| match error {
        QueueError::Corrupt(source) => text(&*source),
        error => panic!("{}", text(&error)),
    }));
    let ledger = store.ledger();
    let read = match ledger.open_builds(Rank::default(), 1_000).await {
        Ok(_) => ledger.builds(&BuildQuery::default()).await,
        error => error,
    };
    found.push(read.err().map(|error| match error {
        LedgerError::Corrupt(source) => text(&*source),
        error => panic!("{}", text(&error)),
    }));
    found.into_iter().flatten().next()
}

fn outbox_text(error: OutboxError) -> String {
    match error {
        OutboxError::Corrupt(source) => text(&*source),
        error => panic!("{}", text(&error)),
    }
}

async fn filled(folder: &Folder) -> Vec<u8> {
    let store = open(&folder.file()).await;
    store.outbox(publisher("api")).await.unwrap().record(&events(1..=30)).await.unwrap();
    let messages: Vec<_> = (1..=30).map(|n| message("api", n, build("acme", "site", n))).collect();
    store.queue().publish(&messages).await.unwrap();
    let ledger = store.ledger();
    let lead = ledger.lead(&holder("a"), std::time::Duration::from_secs(10)).await.unwrap();
    let Lead::Held { epoch } = lead else { panic!("the lease was free") };
    ledger.admit(epoch, &messages).await.unwrap();
    store.close().await;
    fs::read(folder.file()).unwrap()
}

#[tokio::test]
async fn a_damaged_file_is_told_with_its_name_wherever_the_damage_is() {
    let folder = Folder::new();
    let whole = filled(&folder).await;
    let mut told = 0;
    let places: Vec<usize> = (0..whole.len()).step_by(1_511).collect();
    for place in &places {
        let mut damaged = whole.clone();
        damaged[*place..].iter_mut().take(64).for_each(|byte| *byte ^= 0xa5);
        let folder = Folder::new();
        fs::write(folder.file(), damaged).unwrap();
        let found = match try_open(&folder.file()).await {
            Ok(store) => use_all(&store).await,
            // The first bytes say what the file is; with others it is something else.
            Err(SqliteError::OtherApplication { .. } | SqliteError::NewerSchema { .. }) if *place < 100 => continue,
            Err(error @ SqliteError::Damaged { .. }) => Some(text(&error)),
            Err(error) => panic!("byte {place}: {error:?}"),
        };
        // Free space and the keys of rows may change without a trace.
        if let Some(text) = found {
            assert!(text.contains("netbuild.db is damaged") && text.contains("restore"), "byte {place}: {text}");
            told += 1;
        }
    }
    assert!(told > places.len() / 4, "{told} of {} damages were told", places.len());
}

#[tokio::test]
async fn a_damaged_row_is_told_and_the_others_are_not_touched() {
    let folder = Folder::new();
    filled(&folder).await;
    let connection = Connection::open(folder.file()).unwrap();
    connection.execute_batch("UPDATE outbox_event SET build = '{\"id\":\"canary\"}' WHERE seq = 7").unwrap();
    drop(connection);
    let store = open(&folder.file()).await;
    let outbox = store.outbox(publisher("api")).await.unwrap();
    let error = outbox.pending(0, 1_000).await.unwrap_err();
    let text = text(&error);
    assert!(matches!(error, OutboxError::Corrupt(_)), "{text}");
    assert!(text.contains("netbuild.db") && text.contains("outbox_event.build") && !text.contains("canary"), "{text}");
    assert_eq!(outbox.pending(7, 1_000).await.unwrap().len(), 23);
}

#[tokio::test]
async fn a_full_file_refuses_whole_batches_and_takes_more_once_there_is_room() {
    let (folder, clock) = (Folder::new(), ManualClock::new(START));
    let options = SqliteOptions { max_file_bytes: 512 << 10, ..SqliteOptions::default() };
    let store = open_with(&folder.file(), options, &clock).await;
    let outbox = store.outbox(publisher("api")).await.unwrap();
    let mut recorded = 0;
    let error = loop {
        match outbox.record(&events(recorded + 1..=recorded + 10)).await {
            Ok(_) => recorded += 10,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, OutboxError::Unavailable(_)), "{}", text(&error));
    assert!(text(&error).contains("no room for"), "{}", text(&error));
    let Backlog { count, .. } = outbox.backlog().await.unwrap();
    assert_eq!(count, recorded, "nothing of the refused batch is there");
    outbox.published(recorded).await.unwrap();
    let again = outbox.record(&events(recorded + 1..=recorded + 10)).await.unwrap();
    assert_eq!(again[0].place.seq, recorded + 1, "the refused batch took no seq");
}

#[tokio::test]
async fn a_file_that_another_process_keeps_to_itself_is_refused_in_bounded_time() {
    let folder = Folder::new();
    open(&folder.file()).await.close().await;
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    let options = SqliteOptions { busy_timeout: Duration::from_millis(100), ..SqliteOptions::default() };
    let opening = SqliteStore::open(folder.file(), options, Arc::new(SystemClock::new()));
    let error = timeout(Duration::from_secs(60), opening).await.expect("it does not wait for ever").unwrap_err();
    assert!(matches!(error, SqliteError::Busy { .. }), "{error:?}");
    let text = text(&error);
    assert!(text.contains("netbuild.db was locked by another process for more than 100ms"), "{text}");
    drop(other);
    open(&folder.file()).await;
}

#[tokio::test]
async fn many_stores_can_make_one_file_at_once() {
    let folder = Folder::new();
    let stores = futures_util::future::join_all((0..8).map(|_| try_open_cloned(&folder))).await;
    for store in stores {
        assert_eq!(store.ledger().cursors().await.unwrap(), []);
    }
}

async fn try_open_cloned(folder: &Folder) -> SqliteStore {
    try_open(&folder.file()).await.unwrap()
}

/// On POSIX a process loses its locks on a file when it closes any descriptor of it, and other processes then take the
/// file for closed.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn opening_a_file_again_keeps_the_locks_on_it() {
    use std::os::unix::fs::MetadataExt;
    let folder = Folder::new();
    let first = open(&folder.file()).await;
    let inode = format!(":{} ", fs::metadata(folder.file()).unwrap().ino());
    let locks = || fs::read_to_string("/proc/locks").unwrap().lines().filter(|lock| lock.contains(&inode)).count();
    let before = locks();
    assert!(before > 0, "an open file is locked");
    let second = open(&folder.file()).await;
    assert_eq!(locks(), before);
    drop((first, second));
}

#[tokio::test]
async fn an_outbox_with_a_torn_tail_opens_and_tells_what_it_dropped() {
    let folder = Folder::new();
    let store = open(&folder.file()).await;
    assert_eq!(store.torn_bytes(), 0);
    let outbox = store.outbox(publisher("api")).await.unwrap();
    outbox.record(&events(1..=3)).await.unwrap();
    let log = folder.file().with_extension("db-wal");
    let accepted = fs::metadata(&log).unwrap().len();
    outbox.record(&events(4..=6)).await.unwrap();
    let whole = fs::metadata(&log).unwrap().len();
    assert!(whole > accepted);
    // Where a crash may cut the second commit off, from its first byte that tells to its last but one.
    for cut in [accepted + 24, accepted + 25, (accepted + whole) / 2, whole - 1] {
        let torn = Folder::new();
        fs::copy(folder.file(), torn.file()).unwrap();
        fs::write(torn.file().with_extension("db-wal"), &fs::read(&log).unwrap()[..cut as usize]).unwrap();
        let store = open(&torn.file()).await;
        assert_eq!(store.torn_bytes(), cut - accepted, "cut at {cut}");
        let outbox = store.outbox(publisher("api")).await.unwrap();
        let seqs: Vec<u64> = outbox.pending(0, 10).await.unwrap().iter().map(|message| message.place.seq).collect();
        assert_eq!(seqs, [1, 2, 3], "cut at {cut}: all that was accepted, and nothing else");
        assert_eq!(outbox.record(&events(4..=4)).await.unwrap()[0].place.seq, 4);
        store.close().await;
        assert_eq!(open(&torn.file()).await.torn_bytes(), 0, "told once");
    }
}
