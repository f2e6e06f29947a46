//! The queue in a SQLite file that all processes share: no connection that could break, but publishers that are killed.

use crate::run::{Between, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_out_of_order() {
    let folder = tempfile::tempdir().unwrap();
    run("sqlite", Between::File(folder.path().join("queue.db"))).await;
}
