//! The power fails under a store that is at work: with synced commits nothing that was answered is lost.

use std::time::Duration;

use netbuild_core::testkit::PowerCutDisk;
use netbuild_queue::sqlite::Durability;

use super::survivors::{Lost, lost};
use super::workload::{Acked, Workload};

/// Cuts of one life: then a new disk, so that young and older files are met.
const CUTS_A_LIFE: u32 = 5;
const DISK_BYTES: u64 = 64 << 20;
/// Past so many cuts without a loss, the test that must be able to lose is taken for blind.
const BLIND_AFTER: u32 = 60;

/// One life: a disk, a child that writes to it, and cuts after answers in every store.
async fn life(number: u32, durability: Durability) -> (Vec<Lost>, Acked) {
    let disk = PowerCutDisk::new(DISK_BYTES).unwrap();
    let mut workload = Workload::start(&disk.path().join("netbuild.db"), durability);
    let mut all_lost = Vec::new();
    let mut acked = Acked::default();
    for cut in 0..CUTS_A_LIFE {
        // Up to 100 ms, in no order: a multiplicative generator over the cut's number.
        let delay = (number * CUTS_A_LIFE + cut).wrapping_mul(2_654_435_761) % 100_000;
        tokio::time::sleep(Duration::from_micros(u64::from(delay))).await;
        acked = workload.acked_after(&acked).await;
        let copy = disk.cut().unwrap();
        all_lost.push(lost(&copy.path().join("netbuild.db"), &acked).await);
    }
    (all_lost, acked)
}

#[tokio::test]
async fn with_synced_commits_nothing_that_was_answered_is_lost() {
    let lives = if std::env::var_os("NETBUILD_SOAK").is_some() { 20 } else { 1 };
    let (mut cuts, mut answers) = (0, 0);
    for number in 0..lives {
        let (all_lost, acked) = life(number, Durability::PowerCut).await;
        for lost in &all_lost {
            assert_eq!(*lost, Lost::default(), "life {number}: {all_lost:?}");
        }
        cuts += all_lost.len();
        answers += acked.recorded.len() + acked.published.len() + acked.admitted.len() + acked.acked.len();
    }
    println!("{cuts} power cuts, {answers} answers, none lost");
}

#[tokio::test]
async fn without_them_a_power_cut_shows_a_loss_in_every_store() {
    let (mut all, mut cuts) = (Lost::default(), 0);
    while all.outbox == 0 || all.queue == 0 || all.ledger == 0 {
        assert!(cuts < BLIND_AFTER, "{cuts} power cuts without synced commits lost only {all:?}");
        let (all_lost, _) = life(cuts, Durability::ProcessEnd).await;
        cuts += CUTS_A_LIFE;
        all_lost.into_iter().for_each(|lost| all += lost);
    }
    println!("{cuts} power cuts without synced commits: {all:?}");
}
