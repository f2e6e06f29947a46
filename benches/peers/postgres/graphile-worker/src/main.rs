//! The load of `benches/peers/run_postgres` on graphile_worker: ADDRESS BACKLOG MESSAGES.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, LocalQueueConfig, RawJobSpec, TaskHandler, WorkerContext, WorkerOptions, WorkerUtils,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

const BATCH: usize = 512;
const BYTES: usize = 500;
// Faster here than its defaults: jobs are taken out by hundreds, and ends of jobs are written together.
const SETTINGS: &str = "local queue 512, ends batched";

#[derive(Clone, Debug)]
struct Done(Arc<State>);

#[derive(Debug)]
struct State {
    wanted: usize,
    count: AtomicUsize,
    all: Notify,
}

#[derive(Deserialize, Serialize)]
struct Job {
    body: String,
}

impl TaskHandler for Job {
    const IDENTIFIER: &'static str = "job";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let Done(done) = context.get_ext::<Done>().expect("it was given");
        if done.count.fetch_add(1, Ordering::Relaxed) + 1 == done.wanted {
            done.all.notify_one();
        }
        Ok::<(), String>(())
    }
}

// A batch is one commit.
async fn publish(utils: &WorkerUtils, mut count: usize) {
    let body = "x".repeat(BYTES - r#"{"body":""}"#.len());
    while count > 0 {
        let batch = count.min(BATCH);
        let payload = serde_json::json!({ "body": body });
        let job = || RawJobSpec { identifier: "job".to_owned(), payload: payload.clone(), spec: JobSpec::default() };
        let jobs: Vec<RawJobSpec> = (0..batch).map(|_| job()).collect();
        utils.add_raw_jobs(&jobs).await.expect("jobs are stored");
        count -= batch;
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |index: usize| arguments[index].parse::<usize>().expect("a number");
    let (backlog, messages) = (number(2), number(3));
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(20).connect(&arguments[1]).await;
    let done = Arc::new(State { wanted: messages, count: AtomicUsize::new(0), all: Notify::new() });
    let worker = WorkerOptions::default()
        .concurrency(16)
        .schema("graphile_worker")
        .define_job::<Job>()
        .add_extension(Done(done.clone()))
        .pg_pool(pool.expect("the server answers"))
        .local_queue(LocalQueueConfig::default().with_size(BATCH))
        .complete_job_batch_delay(Duration::from_millis(5))
        .init()
        .await
        .expect("its tables can be made");
    let utils = worker.create_utils();
    publish(&utils, backlog).await;

    let start = Instant::now();
    publish(&utils, messages).await;
    let published = start.elapsed();

    let start = Instant::now();
    tokio::select! {
        ended = worker.run() => panic!("the worker ended: {ended:?}"),
        () = done.all.notified() => {}
    }
    println!("graphile_worker\t{SETTINGS}\t{}\t{}", published.as_micros(), start.elapsed().as_micros());
    // The rest of the backlog is not waited for.
    std::process::exit(0);
}
