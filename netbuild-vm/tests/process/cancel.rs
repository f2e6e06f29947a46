//! Cancelling: TERM, the grace, KILL; to all that belongs to an attempt and to nobody else.

use std::fs;
use std::time::Duration;

use netbuild_core::model::Outcome;
use netbuild_core::port::{Executor, ExecutorError};

use crate::bench::{Bench, cause, ended, id, lives, phase, running};
use crate::runner::LINGERS;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_command_gets_term_and_may_clean_up() {
    let bench = Bench::new();
    let executor = bench.executor().await;
    let request = bench.request("trap 'echo cleaned >cleaned; exit 1' TERM; echo up >up; while :; do sleep 0.01; done");
    executor.start(&request).await.unwrap();
    bench.written(&request, "up").await;
    executor.cancel(id(&request), LONG).await.unwrap();
    executor.cancel(id(&request), LONG).await.unwrap();
    assert_eq!(ended(&executor, &request).await.outcome, Outcome::Cancelled);
    assert!(bench.folder(&request).join("work/cleaned").exists());
}

#[tokio::test]
async fn who_ignores_term_is_killed_with_all_descendants_after_the_grace() {
    let bench = Bench::new();
    let executor = bench.executor().await;
    let request = bench.request(
        "trap '' TERM; (sleep 600 & echo $! >../work/a; wait) & setsid sh -c 'echo $$ >b; exec sleep 600' & \
         sh -c 'echo $$ >c; exec env -i sleep 600' & wait",
    );
    executor.start(&request).await.unwrap();
    let mut pids = Vec::new();
    for name in ["a", "b", "c"] {
        pids.push(bench.written(&request, name).await);
    }
    let bystander = tokio::process::Command::new("sleep").arg("600").kill_on_drop(true).spawn().unwrap();
    executor.cancel(id(&request), SHORT).await.unwrap();
    assert_eq!(ended(&executor, &request).await.outcome, Outcome::Cancelled);
    assert!(pids.iter().all(|pid| !lives(pid)), "nothing of it runs once it is told as ended");
    assert!(lives(&bystander.id().unwrap().to_string()));
}

#[tokio::test]
async fn a_shorter_grace_counts_and_a_cancel_goes_on_after_a_restart() {
    let bench = Bench::new();
    let request = bench.request("trap '' TERM; echo up >up; while :; do sleep 0.01; done");
    let executor = bench.executor().await;
    executor.start(&request).await.unwrap();
    bench.written(&request, "up").await;
    executor.cancel(id(&request), LONG).await.unwrap();
    executor.cancel(id(&request), SHORT).await.unwrap();
    executor.shutdown().await;
    drop(executor);
    // Nobody asks this one.
    let executor = bench.executor().await;
    assert_eq!(ended(&executor, &request).await.outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn a_frozen_runner_is_killed_as_well() {
    let bench = Bench::new();
    let executor = bench.executor().await;
    let request = bench.request("sleep 600");
    executor.start(&request).await.unwrap();
    running(&executor, &request).await;
    crate::bench::kill("-STOP", &bench.identity(&request).pid.to_string());
    executor.cancel(id(&request), SHORT).await.unwrap();
    assert_eq!(ended(&executor, &request).await.outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn executors_on_other_roots_with_equal_names_do_not_meet() {
    let (bench, copy) = (Bench::new(), Bench::new());
    let (executor, other) = (bench.executor().await, copy.executor().await);
    let request = bench.request("echo up >up; exec sleep 600");
    executor.start(&request).await.unwrap();
    other.start(&request).await.unwrap();
    bench.written(&request, "up").await;
    copy.written(&request, "up").await;
    executor.cancel(id(&request), Duration::ZERO).await.unwrap();
    ended(&executor, &request).await;
    assert!(lives(&copy.identity(&request).pid.to_string()));
    other.cancel(id(&request), Duration::ZERO).await.unwrap();
    ended(&other, &request).await;
}

#[tokio::test]
async fn a_cancel_of_what_is_not_there_or_over_changes_nothing() {
    let bench = Bench::new();
    let executor = bench.executor().await;
    let request = bench.request("exit 3");
    executor.cancel(id(&request), SHORT).await.unwrap();
    executor.start(&request).await.unwrap();
    let report = ended(&executor, &request).await;
    assert_eq!(report.outcome.exit_code(), Some(3));
    executor.cancel(id(&request), Duration::ZERO).await.unwrap();
    assert_eq!(ended(&executor, &request).await, report);
}

#[tokio::test]
async fn what_runs_is_not_removed_and_a_runner_that_lingers_is_ended() {
    let bench = Bench::new();
    let executor = bench.executor().await;
    let request = bench.faulty(LINGERS, "true");
    executor.start(&request).await.unwrap();
    running(&executor, &request).await;
    assert!(matches!(executor.remove(id(&request)).await, Err(ExecutorError::StillRuns)));
    assert!(phase(&executor, &request).await.is_some());
    let pid = bench.identity(&request).pid.to_string();
    assert_eq!(cause(&ended(&executor, &request).await), "succeeded");
    assert!(!lives(&pid));
    assert!(!fs::exists(format!("/proc/{pid}")).unwrap(), "and reaped");
}
