//! Starting: the name, the fence, the slots, and disks that refuse.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use netbuild_core::model::{AttemptFolder, AttemptMark, Cause, Outcome, Timestamp};
use netbuild_core::port::{Executor, ExecutorError, Phase, StartError, StartRequest, Started};
use netbuild_vm::process::{ProcessOptions, RunnerCommand};

use crate::bench::{Bench, adopted, cause, ended, id, next, phase, running};
use crate::runner::{NEVER_BEGINS, STARTS};

#[tokio::test]
async fn it_is_created_runs_ends_and_is_removed() {
    let bench = Bench::new();
    let executor = bench.executor().await;
    let request = bench.request("echo hello");
    assert_eq!(executor.start(&request).await.unwrap(), Started::Created { host: None });
    assert_eq!(ended(&executor, &request).await.outcome, Outcome::Succeeded { deploy: None });
    let log = executor.logs(id(&request), 0, 100).await.unwrap();
    assert_eq!((&log.bytes[..], log.end), (&b"hello\n"[..], true));
    assert_eq!(adopted(executor.start(&request).await.unwrap()).attempt, *id(&request), "never a second time");
    executor.remove(id(&request)).await.unwrap();
    assert_eq!(phase(&executor, &request).await, None);
    executor.shutdown().await;
    let executor = bench.executor().await;
    assert!(matches!(executor.start(&request).await.unwrap(), Started::Created { .. }), "the name is free");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_starts_at_once_from_two_executors_one_runner_comes() {
    let bench = Bench::new();
    let executors = [bench.executor().await, bench.executor().await];
    let request = bench.request("sleep 60");
    let starts = (0..16).map(|n| executors[n % 2].start(&request));
    let started = futures_util::future::join_all(starts).await;
    let created = started.iter().filter(|started| matches!(started, Ok(Started::Created { .. }))).count();
    assert_eq!(created, 1, "{started:?}");
    assert!(started.iter().all(Result::is_ok), "{started:?}");
    running(&executors[0], &request).await;
    assert_eq!(fs::read_to_string(bench.folder(&request).join(STARTS)).unwrap(), "started\n");
    executors[1].cancel(id(&request), Duration::ZERO).await.unwrap();
    ended(&executors[0], &request).await;
}

#[tokio::test]
async fn a_runner_that_has_not_shown_itself_is_found_by_its_cookie() {
    let bench = Bench::new();
    let request = bench.faulty(NEVER_BEGINS, "");
    bench.executor().await.start(&request).await.unwrap();
    // Another scheduler, which knows nothing of the child.
    let executor = bench.executor().await;
    let observed = adopted(executor.start(&request).await.unwrap());
    assert_eq!(observed.phase, Phase::Pending { waits_for: "runner".to_owned() });
    assert!(matches!(executor.start(&next(&request)).await, Err(StartError::NameTaken { .. })));
    executor.cancel(id(&request), Duration::ZERO).await.unwrap();
    assert_eq!(ended(&executor, &request).await.outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn a_folder_without_a_runner_is_started_in_and_a_later_attempt_replaces_it() {
    let bench = Bench::new();
    let executor = bench.executor().await;
    for later in [false, true] {
        let request = bench.request("true");
        make_folder(&bench, &request);
        assert_eq!(phase(&executor, &request).await, Some(Phase::Pending { waits_for: "start".to_owned() }));
        let request = if later { next(&request) } else { request };
        assert_eq!(executor.start(&request).await.unwrap(), Started::Created { host: None });
        assert_eq!(cause(&ended(&executor, &request).await), "succeeded");
    }
}

/// As a crash between making the folder and starting the runner leaves it.
fn make_folder(bench: &Bench, request: &StartRequest) {
    let folder = bench.folder(request);
    fs::create_dir(&folder).unwrap();
    let mark = AttemptMark { attempt: id(request).clone(), created_at: Timestamp::EPOCH, start_by: None };
    fs::write(folder.join(AttemptFolder::ATTEMPT), serde_json::to_vec(&mark).unwrap()).unwrap();
}

#[tokio::test]
async fn while_another_executor_is_at_a_folder_nothing_is_judged_or_started() {
    let bench = Bench::new();
    let deadline = Duration::from_secs(3);
    let executor = bench.executor_with(ProcessOptions { deadline, ..bench.options() }).await;
    let request = bench.request("true");
    make_folder(&bench, &request);
    // As an executor that was stopped before it started the runner holds it.
    let held = fs::File::open(bench.folder(&request)).unwrap();
    held.lock().unwrap();
    assert!(matches!(executor.start(&request).await, Err(StartError::Unavailable(_))));
    assert!(matches!(executor.start(&next(&request)).await, Err(StartError::Unavailable(_))));
    assert!(matches!(executor.cancel(id(&request), Duration::ZERO).await, Err(ExecutorError::Unavailable(_))));
    assert!(matches!(executor.remove(id(&request)).await, Err(ExecutorError::Unavailable(_))));
    assert_eq!(phase(&executor, &request).await, Some(Phase::Pending { waits_for: "start".to_owned() }));
    assert!(!bench.folder(&request).join(STARTS).exists());
    held.unlock().unwrap();
    assert_eq!(executor.start(&request).await.unwrap(), Started::Created { host: None });
    assert_eq!(cause(&ended(&executor, &request).await), "succeeded");
}

#[tokio::test]
async fn the_fence_decides() {
    let bench = Bench::new();
    let executor = bench.executor().await;
    let first = bench.request("sleep 60");
    executor.start(&first).await.unwrap();
    running(&executor, &first).await;
    assert!(
        matches!(executor.start(&next(&first)).await, Err(StartError::NameTaken { by }) if by == id(&first).number)
    );
    executor.cancel(id(&first), Duration::from_secs(9)).await.unwrap();
    ended(&executor, &first).await;
    let second = next(&first);
    assert_eq!(executor.start(&second).await.unwrap(), Started::Created { host: None });
    assert!(matches!(executor.start(&first).await, Err(StartError::Stale { by }) if by == id(&second).number));
    assert_eq!(phase(&executor, &first).await, None, "replaced for good");
    executor.cancel(id(&second), Duration::ZERO).await.unwrap();
    ended(&executor, &second).await;
}

#[tokio::test]
async fn past_its_slots_it_is_full_until_one_ends() {
    let bench = Bench::new();
    let executor = bench.executor_with(ProcessOptions { slots: 2, ..bench.options() }).await;
    let requests = [0, 1, 2].map(|_| bench.request("sleep 60"));
    executor.start(&requests[0]).await.unwrap();
    executor.start(&requests[1]).await.unwrap();
    assert!(matches!(executor.start(&requests[2]).await, Err(StartError::Full)));
    assert!(!bench.folder(&requests[2]).exists());
    adopted(executor.start(&requests[0]).await.unwrap());
    executor.cancel(id(&requests[0]), Duration::ZERO).await.unwrap();
    ended(&executor, &requests[0]).await;
    executor.start(&requests[2]).await.unwrap();
    for request in &requests[1..] {
        executor.cancel(id(request), Duration::ZERO).await.unwrap();
        ended(&executor, request).await;
    }
}

#[tokio::test]
async fn a_runner_that_cannot_be_executed_leaves_nothing() {
    let bench = Bench::new();
    let runner = RunnerCommand::new(bench.root().join("no such program"));
    let executor = bench.executor_with(ProcessOptions { runner, ..bench.options() }).await;
    let request = bench.request("true");
    let refused = executor.start(&request).await.unwrap_err();
    assert!(matches!(refused, StartError::Refused(failure) if failure.cause == Cause::RunnerBroken));
    assert_eq!(phase(&executor, &request).await, None);
}

#[tokio::test]
async fn a_job_that_is_too_long_is_refused_and_a_long_one_arrives_whole() {
    let bench = Bench::new();
    let executor = bench.executor().await;
    let mut request = bench.request("true");
    request.job.env.insert("LONG".to_owned(), "x".repeat(900_000));
    executor.start(&request).await.unwrap();
    assert_eq!(cause(&ended(&executor, &request).await), "succeeded");
    let mut request = bench.request("true");
    request.job.env.insert("LONG".to_owned(), "x".repeat(1 << 20));
    let refused = executor.start(&request).await.unwrap_err();
    assert!(matches!(refused, StartError::Refused(failure) if failure.cause == Cause::SpecInvalid));
}

#[tokio::test]
async fn another_builds_name_and_a_foreign_folder_are_not_touched() {
    let bench = Bench::new();
    let executor = bench.executor().await;
    let request = bench.request("true");
    executor.start(&request).await.unwrap();
    ended(&executor, &request).await;
    let mut other = bench.request("true");
    other.name = request.name.clone();
    assert!(
        matches!(executor.start(&other).await, Err(StartError::Refused(failure)) if failure.cause == Cause::Internal)
    );
    let foreign = bench.request("true");
    fs::create_dir(bench.folder(&foreign)).unwrap();
    fs::write(bench.folder(&foreign).join("note"), "mine").unwrap();
    assert!(matches!(executor.start(&foreign).await, Err(StartError::Unavailable(_))));
    assert_eq!(fs::read_to_string(bench.folder(&foreign).join("note")).unwrap(), "mine");
    fs::write(bench.folder(&foreign).join("attempt.json"), "{").unwrap();
    assert!(!executor.list().await.unwrap().complete);
    assert!(matches!(executor.start(&foreign).await, Err(StartError::Unavailable(_))));
}

#[tokio::test]
async fn nothing_of_the_hosts_environment_reaches_a_runner() {
    let bench = Bench::new();
    let executor = bench.executor().await;
    let request = bench.request("tr '\\0' '\\n' </proc/$PPID/environ | cut -d= -f1 | sort >names");
    executor.start(&request).await.unwrap();
    ended(&executor, &request).await;
    let names = fs::read_to_string(bench.folder(&request).join("work/names")).unwrap();
    assert_eq!(names, "NETBUILD_ATTEMPT\nPATH\n");
}

#[tokio::test]
async fn a_root_that_cannot_be_made_is_an_error() {
    let bench = Bench::new();
    let root: PathBuf = bench.root().join("file");
    fs::write(&root, "").unwrap();
    let options = ProcessOptions { root, ..bench.options() };
    let clock = std::sync::Arc::new(netbuild_core::port::SystemClock::new());
    assert!(netbuild_vm::process::ProcessExecutor::open(options, clock).await.is_err());
}
