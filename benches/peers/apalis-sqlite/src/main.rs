//! The load of `benches/peers/run` on apalis-sqlite: FILE BACKLOG MESSAGES.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use apalis::prelude::*;
use apalis_sqlite::{SqlitePool, SqliteStorage};
use tokio::sync::Notify;

const BATCH: usize = 512;
const BYTES: usize = 500;
// As the crate's `setup` sets it: `synchronous` only holds for the one connection of the pool that ran it. When the pool
// opens a second one, that one is FULL, as SQLite has it.
const SETTINGS: &str = "WAL, OFF on one connection";

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
async fn publish(queue: &mut SqliteStorage<String>, mut count: usize) {
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
    let file = format!("sqlite://{}?mode=rwc", arguments[1]);
    let pool = SqlitePool::connect(&file).await.expect("a new file can be made");
    SqliteStorage::setup(&pool).await.expect("its tables can be made");
    let mut queue = SqliteStorage::new(&pool);
    publish(&mut queue, backlog).await;

    let start = Instant::now();
    publish(&mut queue, messages).await;
    let published = start.elapsed();

    let done = Arc::new(Done { wanted: messages, count: AtomicUsize::new(0), all: Notify::new() });
    let worker = WorkerBuilder::new("bench").backend(queue).data(done.clone()).build(handle);
    let start = Instant::now();
    // The worker takes out 10 jobs a call, the crate's default. Only a failure ends it.
    tokio::select! {
        ended = worker.run() => panic!("the worker ended: {ended:?}"),
        () = done.all.notified() => {}
    }
    println!("apalis-sqlite\t{SETTINGS}\t{}\t{}", published.as_micros(), start.elapsed().as_micros());
    // The rest of the backlog is not waited for.
    std::process::exit(0);
}
