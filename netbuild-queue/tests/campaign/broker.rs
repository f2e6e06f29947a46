//! The brokers, as a publisher's process finds them: by a kind and a place.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use netbuild_core::port::{Queue, SystemClock};
use netbuild_queue::amqp::{AmqpOptions, AmqpQueue};
use netbuild_queue::nats::{NatsOptions, NatsQueue};
use netbuild_queue::postgres::{PostgresOptions, PostgresStore};
use netbuild_queue::sqlite::{SqliteOptions, SqliteStore};

/// How long an adapter waits for an answer; the faults are shorter and longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(3);

/// Opens the queue, again and again: what is between may be broken at this moment.
pub(crate) async fn open(kind: &str, place: &str) -> Arc<dyn Queue> {
    let mut told = false;
    loop {
        match try_open(kind, place).await {
            Ok(queue) => return queue,
            Err(error) if !told => eprintln!("not open yet: {error}"),
            Err(_) => {}
        }
        told = true;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn try_open(kind: &str, place: &str) -> Result<Arc<dyn Queue>, Box<dyn std::error::Error>> {
    match kind {
        "sqlite" => {
            let options = SqliteOptions { queue_limit: 1_000_000, ..SqliteOptions::default() };
            let store = SqliteStore::open(Path::new(place), options, Arc::new(SystemClock::new())).await?;
            Ok(Arc::new(store.queue()))
        }
        "nats" => {
            let options = NatsOptions { queue_limit: 1_000_000, call_deadline: DEADLINE, ..NatsOptions::default() };
            Ok(Arc::new(NatsQueue::open(place, options, Arc::new(SystemClock::new())).await?))
        }
        "postgres" => {
            let options =
                PostgresOptions { queue_limit: 1_000_000, call_deadline: DEADLINE, ..PostgresOptions::default() };
            let store = PostgresStore::open(place, options, Arc::new(SystemClock::new())).await?;
            Ok(Arc::new(store.queue()))
        }
        "amqp" => {
            let options = AmqpOptions { call_deadline: DEADLINE, max_deliveries: None, ..AmqpOptions::default() };
            Ok(Arc::new(AmqpQueue::open(place, options, Arc::new(SystemClock::new())).await?))
        }
        _ => panic!("no broker of kind {kind}"),
    }
}
