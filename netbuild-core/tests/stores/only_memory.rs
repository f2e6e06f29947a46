//! What the stores in memory do beyond the contracts: their bounds, and waiting in paused time.

use std::sync::Arc;
use std::time::Duration;

use netbuild_core::memory::{MemoryLedger, MemoryOutbox, MemoryQueue};
use netbuild_core::model::{NameKey, Timestamp};
use netbuild_core::port::{
    Admission, Clock, History, Lead, LeaderLease, Ledger, LedgerError, Outbox, Queue, SystemClock,
};
use netbuild_core::testkit::{TokioClock, fixtures};
use tokio::time::Instant;

const REDELIVERY: Duration = Duration::from_secs(30);

fn queue() -> MemoryQueue {
    MemoryQueue::new(10, REDELIVERY, Arc::new(TokioClock::new(Timestamp::EPOCH)))
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(TokioClock::new(Timestamp::EPOCH))
}

#[tokio::test(start_paused = true)]
async fn a_waiting_receive_wakes_when_an_unacked_message_is_due() {
    let queue = queue();
    queue.publish(&[fixtures::message("api", 1, fixtures::build("acme", "site", 1))]).await.unwrap();
    queue.receive(1, Duration::ZERO).await.unwrap();
    let start = Instant::now();
    let again = queue.receive(1, REDELIVERY * 10).await.unwrap();
    assert_eq!(again.len(), 1);
    let waited = start.elapsed();
    assert!(waited >= REDELIVERY && waited < REDELIVERY + Duration::from_secs(1), "waited {waited:?}");
}

#[tokio::test(start_paused = true)]
async fn an_empty_receive_waits_as_long_as_it_was_asked_to() {
    let start = Instant::now();
    assert!(queue().receive(1, Duration::from_secs(5)).await.unwrap().is_empty());
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_full_ledger_admits_nothing_of_a_batch() {
    let ledger = MemoryLedger::new(2, clock());
    let lead = ledger.lead(&fixtures::holder("a"), REDELIVERY).await.unwrap();
    let Lead::Held { epoch } = lead else { panic!("the lease was free") };
    let message = |n| fixtures::message("api", n, fixtures::build("acme", "site", n));
    let answer = ledger.admit(epoch, &[message(1), message(2), message(3)]).await;
    assert!(matches!(answer, Err(LedgerError::Unavailable(_))));
    assert_eq!(ledger.builds(&Default::default()).await.unwrap(), vec![]);
    let answers = ledger.admit(epoch, &[message(1), message(1), message(2)]).await.unwrap();
    assert_eq!(answers[1], Admission::Duplicate, "a duplicate needs no room");
    assert_eq!(ledger.admit(epoch, &[message(2)]).await.unwrap(), vec![Admission::Duplicate]);
}

#[tokio::test]
async fn a_name_key_is_random_or_given() {
    let clock = || Arc::new(SystemClock::new());
    let random = [MemoryLedger::new(1, clock()), MemoryLedger::new(1, clock())];
    assert_ne!(random[0].name_key().await.unwrap(), random[1].name_key().await.unwrap());
    let given = MemoryLedger::with_name_key(NameKey::new([7; 32]), 1, clock());
    assert_eq!(given.name_key().await.unwrap(), NameKey::new([7; 32]));
}

#[tokio::test(start_paused = true)]
async fn an_outbox_forgets_only_published_events_and_the_oldest_first() {
    let outbox = MemoryOutbox::new(fixtures::publisher("api"), 1, 10, clock());
    let event = |n| fixtures::event(fixtures::build("acme", "site", n));
    let beyond = MemoryOutbox::REMEMBERED as u64 + 2;
    outbox.record(&[event(1)]).await.unwrap();
    for n in 2..=beyond {
        outbox.published(n - 1).await.unwrap();
        outbox.record(&[event(n)]).await.unwrap();
    }
    assert!(!outbox.record(&[event(2)]).await.unwrap()[0].fresh, "the newest are known");
    assert!(!outbox.record(&[event(beyond)]).await.unwrap()[0].fresh, "what is pending is known");
    assert!(outbox.record(&[event(1)]).await.unwrap()[0].fresh, "the oldest published one is forgotten");
}
