//! Real processes: one that is killed between record and publish again and again, and several that share a file.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use netbuild_core::model::{Build, BuildId};
use netbuild_core::port::{Event, Outbox, Queue};
use netbuild_core::testkit::fixtures::{build, event, publisher};
use netbuild_queue::sqlite::{SqliteOutbox, SqliteStore};

use crate::support::{Folder, open};

/// Tells a test that it is the child, and which file to use.
const FILE: &str = "NETBUILD_TEST_FILE";
/// How many events a child records before it ends by itself; none lives that long unless a parent lets it.
const EVENTS: &str = "NETBUILD_TEST_EVENTS";
const CYCLES: u32 = 50;

/// This test binary again, running one test as a child.
fn child(test: &str, file: &Path, events: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(FILE, file)
        .env(EVENTS, events.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a child acknowledged on its output: seq and build.
fn acked(line: &str) -> Option<(u64, BuildId)> {
    let (seq, id) = line.strip_prefix("acked ")?.split_once(' ')?;
    // A line that the kill cut off acknowledges nothing.
    Some((seq.parse().ok()?, id.strip_suffix('.')?.parse().ok()?))
}

fn fresh_event() -> Event {
    event(Build { id: BuildId::generate(), ..build("acme", "site", 1) })
}

/// Publishes what is pending, in order, oldest first.
async fn publish_pending(store: &SqliteStore, outbox: &SqliteOutbox) -> usize {
    let pending = outbox.pending(0, 100).await.unwrap();
    if let Some(last) = pending.last() {
        store.queue().publish(&pending).await.unwrap();
        outbox.published(last.place.seq).await.unwrap();
    }
    pending.len()
}

/// The child: records, says so, and publishes every third time what is pending.
#[tokio::test]
async fn child_records_and_publishes() {
    let Some(file) = std::env::var_os(FILE).map(PathBuf::from) else { return };
    let events: u32 = std::env::var(EVENTS).unwrap().parse().unwrap();
    let store = open(&file).await;
    let outbox = store.outbox(publisher("api")).await.unwrap();
    for n in 1..=events {
        let recorded = outbox.record(&[fresh_event()]).await.unwrap().remove(0);
        println!("\nacked {} {}.", recorded.place.seq, recorded.build);
        if n % 3 == 0 {
            publish_pending(&store, &outbox).await;
        }
    }
}

/// All that the queue has, in the order in which it hands it out.
async fn received(store: &SqliteStore) -> Vec<(u64, BuildId)> {
    let mut all = Vec::new();
    loop {
        let deliveries = store.queue().receive(1_000, Duration::ZERO).await.unwrap();
        if deliveries.is_empty() {
            return all;
        }
        all.extend(deliveries.into_iter().map(|delivery| (delivery.message.place.seq, delivery.message.build.id)));
    }
}

#[tokio::test]
async fn killed_between_record_and_publish_50_times_all_is_published_in_order() {
    let folder = Folder::new();
    let mut all_acked = Vec::new();
    let mut left_pending = 0;
    for cycle in 0..CYCLES {
        let mut child = child("crash::child_records_and_publishes", &folder.file(), u32::MAX);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        all_acked.push(lines.find_map(|line| acked(&line)).expect("the child records before it is killed"));
        // Up to 10 ms, in no order: a multiplicative generator over the cycle's number.
        let delay = Duration::from_micros(u64::from(cycle.wrapping_mul(2_654_435_761) % 10_000));
        tokio::time::sleep(delay).await;
        child.kill().unwrap();
        all_acked.extend(lines.filter_map(|line| acked(&line)));
        child.wait().unwrap();
        let store = open(&folder.file()).await;
        left_pending += usize::from(store.outbox(publisher("api")).await.unwrap().backlog().await.unwrap().count > 0);
        store.close().await;
    }
    assert!(left_pending > CYCLES as usize / 4, "{left_pending} kills came between record and publish");
    let store = open(&folder.file()).await;
    let outbox = store.outbox(publisher("api")).await.unwrap();
    while publish_pending(&store, &outbox).await > 0 {}
    let published = received(&store).await;
    let seqs: Vec<u64> = published.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "in order, without gaps, none twice");
    for (seq, id) in &all_acked {
        assert_eq!(published.get(*seq as usize - 1), Some(&(*seq, *id)), "an acknowledged event is published");
    }
    println!("{CYCLES} kills, {left_pending} with events pending, {} acknowledged", all_acked.len());
}

#[tokio::test]
async fn processes_that_make_a_file_at_once_share_one_order() {
    let folder = Folder::new();
    let children = [(); 6].map(|()| child("crash::child_records_and_publishes", &folder.file(), 20));
    let mut acknowledged: Vec<(u64, BuildId)> = Vec::new();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        acknowledged.extend(String::from_utf8(output.stdout).unwrap().lines().filter_map(acked));
    }
    acknowledged.sort_unstable();
    assert_eq!(acknowledged.len(), 120);
    let store = open(&folder.file()).await;
    let outbox = store.outbox(publisher("api")).await.unwrap();
    while publish_pending(&store, &outbox).await > 0 {}
    assert_eq!(received(&store).await, acknowledged, "each event once, in the one order");
}
