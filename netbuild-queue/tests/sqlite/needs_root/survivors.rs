//! What is in a file after a crash, beside what was answered before it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use netbuild_core::port::{BuildQuery, Clock, History, Outbox, Queue, SystemClock};
use netbuild_core::testkit::ManualClock;
use netbuild_core::testkit::fixtures::publisher;
use netbuild_queue::sqlite::{SqliteLedger, SqliteOptions, SqliteOutbox, SqliteQueue, SqliteStore};

use super::workload::{Acked, event_of};

/// How many answers of each store are not true any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) outbox: usize,
    pub(super) queue: usize,
    pub(super) ledger: usize,
}

impl std::ops::AddAssign for Lost {
    fn add_assign(&mut self, other: Lost) {
        self.outbox += other.outbox;
        self.queue += other.queue;
        self.ledger += other.ledger;
    }
}

/// Counts what is lost in a file. What is left must be in order, with or without losses.
pub(super) async fn lost(file: &Path, acked: &Acked) -> Lost {
    // Past the time after which what the child held is handed out again.
    let later = ManualClock::new(SystemClock::new().now() + Duration::from_secs(3600));
    let store = SqliteStore::open(file, SqliteOptions::default(), Arc::new(later)).await.unwrap();
    let ledger = ranks(&store.ledger()).await;
    let queue = queued(&store.queue()).await;
    let outbox = store.outbox(publisher("api")).await.unwrap();
    in_order(&pending(&outbox).await);
    in_order(&queue);
    let queue: BTreeSet<u64> = queue.into_iter().collect();
    let is_gone = |seq: &&u64| !queue.contains(seq) && !ledger.contains_key(seq);
    let lost = Lost {
        outbox: forgotten(&outbox, acked).await,
        // An acked message that is handed out again is a lost answer too.
        queue: acked.published.iter().filter(is_gone).count()
            + acked.acked.iter().filter(|seq| queue.contains(seq)).count(),
        ledger: acked.admitted.iter().filter(|(seq, rank)| ledger.get(seq) != Some(rank)).count(),
    };
    store.close().await;
    lost
}

/// The ranks of admitted builds, by their numbers in the outbox.
async fn ranks(ledger: &SqliteLedger) -> BTreeMap<u64, u64> {
    let mut ranks = BTreeMap::new();
    let mut query = BuildQuery::default();
    loop {
        let page = ledger.builds(&query).await.unwrap();
        let Some(last) = page.last() else { break };
        query.after = last.rank;
        ranks.extend(page.iter().map(|record| (record.place.seq, record.rank.0)));
    }
    assert!(ranks.values().is_sorted(), "ranks grow with the order of the outbox");
    ranks
}

/// Everything in the queue, as it is handed out.
async fn queued(queue: &SqliteQueue) -> Vec<u64> {
    let mut all = Vec::new();
    loop {
        let deliveries = queue.receive(1_000, Duration::ZERO).await.unwrap();
        if deliveries.is_empty() {
            return all;
        }
        all.extend(deliveries.iter().map(|delivery| delivery.message.place.seq));
    }
}

async fn pending(outbox: &SqliteOutbox) -> Vec<u64> {
    let pending = outbox.pending(0, 100_000).await.unwrap();
    pending.iter().map(|message| message.place.seq).collect()
}

fn in_order(seqs: &[u64]) {
    assert!(seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]), "in order, without gaps, none twice: {seqs:?}");
}

/// How many recorded events the outbox takes for new ones, or for ones with another place or build.
async fn forgotten(outbox: &SqliteOutbox, acked: &Acked) -> usize {
    let expected: Vec<_> = acked.recorded.iter().map(|(seq, id)| (*seq, *id, false)).collect();
    let events: Vec<_> = acked.recorded.values().map(|id| event_of(*id)).collect();
    let found = outbox.record(&events).await.unwrap();
    let found = found.iter().map(|found| (found.place.seq, found.build, found.fresh));
    expected.into_iter().zip(found).filter(|(expected, found)| expected != found).count()
}
