//! The load of `benches/peers/run` on effectum: FILE BACKLOG MESSAGES.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use effectum::{Error, Job, JobRunner, Queue, RunningJob, Worker};
use tokio::sync::Notify;

const BATCH: usize = 512;
const BYTES: usize = 500;
// As the crate sets it: it asks for `journal=wal`, which is no setting of SQLite, so the journal stays what it was.
const SETTINGS: &str = "rollback journal, NORMAL";

#[derive(Debug)]
struct Done {
    wanted: usize,
    count: AtomicUsize,
    all: Notify,
}

async fn handle(_job: RunningJob, done: Arc<Done>) -> Result<(), Error> {
    if done.count.fetch_add(1, Ordering::Relaxed) + 1 == done.wanted {
        done.all.notify_one();
    }
    Ok(())
}

async fn publish(queue: &Queue, mut count: usize) {
    while count > 0 {
        let batch = count.min(BATCH);
        let jobs = (0..batch).map(|_| Job::builder("bench").payload(vec![b'x'; BYTES]).build()).collect();
        queue.add_jobs(jobs).await.expect("jobs are stored");
        count -= batch;
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |index: usize| arguments[index].parse::<usize>().expect("a number");
    let (backlog, messages) = (number(2), number(3));
    let queue = Queue::new(Path::new(&arguments[1])).await.expect("a new file can be made");
    publish(&queue, backlog).await;

    let start = Instant::now();
    publish(&queue, messages).await;
    let published = start.elapsed();

    let done = Arc::new(Done { wanted: messages, count: AtomicUsize::new(0), all: Notify::new() });
    let runner = JobRunner::builder("bench", handle).build();
    let start = Instant::now();
    let limit = BATCH as u16;
    let worker = Worker::builder(&queue, done.clone()).min_concurrency(limit / 2).max_concurrency(limit).jobs([runner]);
    let _worker = worker.build().await.expect("a worker starts");
    done.all.notified().await;
    println!("effectum\t{SETTINGS}\t{}\t{}", published.as_micros(), start.elapsed().as_micros());
    // The rest of the backlog is not waited for.
    std::process::exit(0);
}
