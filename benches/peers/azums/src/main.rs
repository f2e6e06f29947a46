//! The load of `benches/peers/run` on azums: FILE BACKLOG MESSAGES.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use azums::{Client, Job, quickstart};
use tokio::sync::Notify;

const BATCH: usize = 512;
const BYTES: usize = 500;
// As the crate sets it on each connection of its pool.
const SETTINGS: &str = "WAL, NORMAL";

// A batch is no transaction here: the crate stores its jobs one after the other, each in a commit of its own.
async fn publish(queue: &Client, mut count: usize) {
    // A payload is JSON: its quotes are bytes too.
    let payload = serde_json::Value::String("x".repeat(BYTES - 2));
    while count > 0 {
        let batch = count.min(BATCH);
        let jobs = (0..batch).map(|_| Job::new("bench", payload.clone()));
        queue.enqueue_batch(jobs).await.expect("jobs are stored");
        count -= batch;
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |index: usize| arguments[index].parse::<usize>().expect("a number");
    let (backlog, messages) = (number(2), number(3));
    let queue = quickstart(format!("sqlite://{}?mode=rwc", arguments[1])).await.expect("a new file can be made");
    publish(&queue, backlog).await;

    let start = Instant::now();
    publish(&queue, messages).await;
    let published = start.elapsed();

    let (count, all) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let handler = {
        let all = all.clone();
        move |_job| {
            if count.fetch_add(1, Ordering::Relaxed) + 1 == messages {
                all.notify_one();
            }
            std::future::ready(Ok(()))
        }
    };
    queue.register_handler("bench", handler).await;
    let start = Instant::now();
    // Its worker leases 32 jobs a call, and offers no other number. Only a failure ends it.
    tokio::select! {
        ended = queue.run() => panic!("the worker ended: {ended:?}"),
        () = all.notified() => {}
    }
    println!("azums\t{SETTINGS}\t{}\t{}", published.as_micros(), start.elapsed().as_micros());
    // The rest of the backlog is not waited for.
    std::process::exit(0);
}
