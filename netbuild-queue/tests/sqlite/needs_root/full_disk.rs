//! The disk fills up under a store: every call says so, nothing that was answered is lost, and it goes on once there is
//! room again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use netbuild_core::port::{Admission, Lead, LeaderLease, Ledger, LedgerError, Outbox, OutboxError, Queue, QueueError};
use netbuild_core::testkit::LoopDisk;
use netbuild_core::testkit::fixtures::{build, holder, message, publisher};

use crate::support::{events, open, text, try_open};

const DISK_BYTES: u64 = 4 << 20;

/// Takes what room the disk has left.
fn fill(disk: &Path) {
    let mut file = fs::File::create(disk.join("filler")).unwrap();
    let zeros = [0; 4096];
    while std::io::Write::write_all(&mut file, &zeros).is_ok() {}
    while std::io::Write::write_all(&mut file, &zeros[..64]).is_ok() {}
}

fn make_room(disk: &Path) {
    fs::remove_file(disk.join("filler")).unwrap();
}

/// An error whose text names the file and the disk.
#[track_caller]
fn names_the_disk(error: &dyn std::error::Error) {
    let text = text(error);
    assert!(
        text.contains("no room for") && text.contains("netbuild.db") && text.contains("the disk is full"),
        "{text}"
    );
}

#[tokio::test]
async fn each_call_names_the_full_disk_and_goes_on_when_there_is_room() {
    let disk = LoopDisk::new(DISK_BYTES).unwrap();
    let file = disk.path().join("netbuild.db");
    let store = open(&file).await;
    let (outbox, queue, ledger) = (store.outbox(publisher("api")).await.unwrap(), store.queue(), store.ledger());
    let Lead::Held { epoch } = ledger.lead(&holder("a"), Duration::from_secs(3600)).await.unwrap() else {
        panic!("nobody else leads")
    };
    let mut last = 0;
    for round in 0..3 {
        fill(&disk.path());
        // What room the write-ahead log still has is used up first.
        let error = loop {
            match outbox.record(&events(last + 1..=last + 10)).await {
                Ok(recorded) => last = recorded.last().unwrap().place.seq,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, OutboxError::Unavailable(_)), "{error:?}");
        names_the_disk(&error);
        let batch: Vec<_> = (0..10).map(|n| message("api", last + n, build("acme", "site", last + n))).collect();
        let error = queue.publish(&batch).await.unwrap_err();
        assert!(matches!(error, QueueError::Unavailable(_)), "{error:?}");
        names_the_disk(&error);
        let error = ledger.admit(epoch, &batch).await.unwrap_err();
        assert!(matches!(error, LedgerError::Unavailable(_)), "{error:?}");
        names_the_disk(&error);
        assert_eq!(outbox.backlog().await.unwrap().count, last, "round {round}: reads go on, and all is there");

        make_room(&disk.path());
        last = outbox.record(&events(last + 1..=last + 10)).await.unwrap().last().unwrap().place.seq;
        let batch = outbox.pending(last - 1, 1).await.unwrap();
        queue.publish(&batch).await.unwrap();
        assert!(matches!(ledger.admit(epoch, &batch).await.unwrap()[..], [Admission::Admitted { .. }]));
    }
    store.close().await;
    let outbox = open(&file).await.outbox(publisher("api")).await.unwrap();
    let seqs: Vec<u64> = outbox.pending(0, 100_000).await.unwrap().iter().map(|message| message.place.seq).collect();
    assert_eq!(seqs, (1..=last).collect::<Vec<_>>(), "in order, without gaps, none twice");
}

#[tokio::test]
async fn a_file_that_finds_no_room_to_open_names_the_disk() {
    let disk = LoopDisk::new(DISK_BYTES).unwrap();
    fill(&disk.path());
    let file = disk.path().join("netbuild.db");
    names_the_disk(&try_open(&file).await.unwrap_err());
    make_room(&disk.path());
    open(&file).await.close().await;
    fill(&disk.path());
    names_the_disk(&try_open(&file).await.unwrap_err());
    make_room(&disk.path());
    open(&file).await.close().await;
}
