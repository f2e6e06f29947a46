//! The power goes: what the server confirmed is there, if it syncs; if it does not, something is lost, so this test can fail.

use std::collections::BTreeSet;
use std::time::Duration;

use netbuild_core::port::Queue;
use netbuild_core::testkit::{LoopDisk, PowerCutDisk};
use netbuild_queue::nats::{NatsOptions, NatsQueue};
use netbuild_servers::NatsServer;
use tokio::sync::watch;

use super::support::{drain, messages, open, options};

const DISK_BYTES: u64 = 256 << 20;
const BATCH: u64 = 20;
/// After so many cuts that lose nothing, the test that must be able to lose is taken for blind.
const BLIND_AFTER: usize = 20;

fn lossy() -> NatsOptions {
    NatsOptions { allow_lossy: true, max_deliveries: None, ..options("power") }
}

/// Publishes until it is dropped, and says how many messages were confirmed.
async fn publish(queue: &NatsQueue, confirmed: &watch::Sender<u64>) {
    loop {
        let from = *confirmed.borrow() + 1;
        queue.publish(&messages("api", from..=from + BATCH - 1)).await.unwrap();
        confirmed.send_modify(|confirmed| *confirmed += BATCH);
    }
}

/// How many of the first `confirmed` messages are not on a disk.
async fn lost(disk: &LoopDisk, confirmed: u64) -> usize {
    let server = NatsServer::start(disk.path().join("server")).unwrap();
    let queue = open(&server.url(), lossy()).await;
    let there: BTreeSet<u64> = drain(&queue).await.into_iter().collect();
    (1..=confirmed).filter(|number| !there.contains(number)).count()
}

/// Cuts the power so many times while messages are published; answers how many were confirmed, and what each cut lost.
async fn cuts(jetstream: &str, count: usize) -> (u64, Vec<usize>) {
    let disk = PowerCutDisk::new(DISK_BYTES).unwrap();
    let server = NatsServer::start_with(disk.path().join("server"), jetstream, "").unwrap();
    let queue = open(&server.url(), lossy()).await;
    let confirmed = watch::Sender::new(0);
    let mut all = Vec::new();
    let cut = async {
        for step in 0..count {
            let mut more = confirmed.subscribe();
            let before = *more.borrow_and_update();
            more.wait_for(|now| *now > before + BATCH).await.unwrap();
            tokio::time::sleep(Duration::from_millis(37 * (step as u64 % 7))).await;
            let confirmed = *confirmed.borrow();
            all.push(lost(&disk.cut().unwrap(), confirmed).await);
        }
    };
    tokio::select! {
        () = cut => {}
        () = publish(&queue, &confirmed) => {}
    }
    (*confirmed.borrow(), all)
}

#[tokio::test]
async fn with_synced_writes_nothing_that_was_confirmed_is_lost() {
    let count = if std::env::var_os("NETBUILD_SOAK").is_some() { 30 } else { 3 };
    let (confirmed, all) = cuts(NatsServer::SYNCED, count).await;
    println!("{} power cuts, {confirmed} messages confirmed, lost: {all:?}", all.len());
    assert!(all.iter().all(|lost| *lost == 0), "{all:?}");
}

#[tokio::test]
async fn without_them_a_power_cut_shows_a_loss() {
    for tried in 1..=BLIND_AFTER {
        let (confirmed, all) = cuts("", 1).await;
        if all[0] > 0 {
            println!("power cut {tried} without synced writes lost {} of up to {confirmed} confirmed", all[0]);
            return;
        }
    }
    panic!("{BLIND_AFTER} power cuts without synced writes lost nothing");
}
