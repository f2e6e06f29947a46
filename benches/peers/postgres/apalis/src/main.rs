//! The load of `benches/peers/run_postgres` on apalis-postgres: ADDRESS BACKLOG MESSAGES.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use apalis::prelude::*;
use apalis_postgres::{Config, PgPool, PostgresStorage};
use tokio::sync::Notify;

const BATCH: usize = 512;
const BYTES: usize = 500;
// Faster here than its default of 10.
const SETTINGS: &str = "512 jobs a fetch";

struct Done {
    wanted: usize,
    count: AtomicUsize,
    all: Notify,
}

async fn handle(_job: String, done: Data<Arc<Done>>) {
    if done.count.fetch_add(1, Ordering::Relaxed) + 1 == done.wanted {
        done.all.notify_one();
    }
}

// A batch is one commit.
async fn publish(queue: &mut PostgresStorage<String>, mut count: usize) {
    // A job is JSON: its quotes are bytes too.
    let job = "x".repeat(BYTES - 2);
    while count > 0 {
        let batch = count.min(BATCH);
        queue.push_bulk(vec![job.clone(); batch]).await.expect("jobs are stored");
        count -= batch;
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |index: usize| arguments[index].parse::<usize>().expect("a number");
    let (backlog, messages) = (number(2), number(3));
    let pool = PgPool::connect(&arguments[1]).await.expect("the server answers");
    PostgresStorage::setup(&pool).await.expect("its tables can be made");
    let config = Config::default().batch_size(BATCH);
    let mut queue: PostgresStorage<String> = PostgresStorage::new(&pool).with_config(config);
    publish(&mut queue, backlog).await;

    let start = Instant::now();
    publish(&mut queue, messages).await;
    let published = start.elapsed();

    let done = Arc::new(Done { wanted: messages, count: AtomicUsize::new(0), all: Notify::new() });
    let worker = WorkerBuilder::new("bench").backend(queue).data(done.clone()).build(handle);
    let start = Instant::now();
    // Only a failure ends it.
    tokio::select! {
        ended = worker.run() => panic!("the worker ended: {ended:?}"),
        () = done.all.notified() => {}
    }
    println!("apalis-postgres\t{SETTINGS}\t{}\t{}", published.as_micros(), start.elapsed().as_micros());
    // The rest of the backlog is not waited for.
    std::process::exit(0);
}
