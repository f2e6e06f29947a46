//! Crashes: of the scheduler, of the runner, of the host.

use std::fs;
use std::time::Duration;

use netbuild_core::model::{AttemptFolder, Cause};
use netbuild_core::port::{Executor, Phase};

use crate::bench::{Bench, DEEP_AND_CLOSED, adopted, cause, ended, id, kill, lives, phase, running};
use crate::runner::{DIES_FIRST, FOREIGN_RECORD, STARTS, TORN_RECORD};

#[tokio::test]
async fn a_new_executor_adopts_what_an_earlier_one_started() {
    let bench = Bench::new();
    let request = bench.request("echo up >up; until [ -e go ]; do sleep 0.01; done; exit 3");
    let executor = bench.executor().await;
    executor.start(&request).await.unwrap();
    bench.written(&request, "up").await;
    drop(executor);
    let executor = bench.executor().await;
    assert!(matches!(adopted(executor.start(&request).await.unwrap()).phase, Phase::Running { .. }));
    fs::write(bench.folder(&request).join("work/go"), "").unwrap();
    assert_eq!(ended(&executor, &request).await.outcome.exit_code(), Some(3));
    assert_eq!(fs::read_to_string(bench.folder(&request).join(STARTS)).unwrap(), "started\n");
}

#[tokio::test]
async fn a_killed_runner_is_lost_its_leftovers_are_ended_and_it_never_starts_again() {
    let bench = Bench::new();
    let executor = bench.executor().await;
    let request = bench.request("sleep 600 & echo $! >a; setsid sh -c 'echo $$ >b; exec sleep 600' & wait");
    executor.start(&request).await.unwrap();
    let pids = [bench.written(&request, "a").await, bench.written(&request, "b").await];
    let runner = bench.identity(&request).pid.to_string();
    kill("-KILL", &runner);
    let report = ended(&executor, &request).await;
    let failure = report.outcome.failure().unwrap();
    assert_eq!(failure.cause, Cause::Lost);
    assert!(failure.evidence.contains("signal: 9"), "{}", failure.evidence);
    assert!(pids.iter().all(|pid| !lives(pid)));
    assert!(!fs::exists(format!("/proc/{runner}")).unwrap(), "no zombie is left");
    assert!(matches!(adopted(executor.start(&request).await.unwrap()).phase, Phase::Ended { .. }));
}

#[tokio::test]
async fn leftovers_of_a_success_are_ended_before_it_is_told() {
    let bench = Bench::new();
    let executor = bench.executor().await;
    let request =
        bench.request("setsid sh -c 'echo $$ >daemon; exec sleep 600' & until [ -s daemon ]; do sleep 0.01; done");
    executor.start(&request).await.unwrap();
    let daemon = bench.written(&request, "daemon").await;
    assert_eq!(cause(&ended(&executor, &request).await), "succeeded");
    assert!(!lives(&daemon));
}

#[tokio::test]
async fn a_runner_that_dies_before_it_begins_is_broken_with_what_it_said() {
    let bench = Bench::new();
    let executor = bench.executor().await;
    let request = bench.faulty(DIES_FIRST, "");
    executor.start(&request).await.unwrap();
    let report = ended(&executor, &request).await;
    let failure = report.outcome.failure().unwrap();
    assert_eq!(failure.cause, Cause::RunnerBroken);
    assert!(failure.evidence.contains("this runner cannot begin"), "{}", failure.evidence);
    assert!(failure.evidence.contains("exit status: 9"), "{}", failure.evidence);
}

#[tokio::test]
async fn records_of_another_attempt_and_torn_ones_prove_nothing() {
    let bench = Bench::new();
    let executor = bench.executor().await;
    for fault in [FOREIGN_RECORD, TORN_RECORD] {
        let request = bench.faulty(fault, "true");
        executor.start(&request).await.unwrap();
        assert_eq!(cause(&ended(&executor, &request).await), "runner_broken", "{fault}");
    }
}

#[tokio::test]
async fn a_restart_of_the_host_loses_what_ran_and_keeps_what_had_ended() {
    let bench = Bench::new();
    let executor = bench.executor().await;
    let (done, ran) = (bench.request("true"), bench.request("sleep 600"));
    executor.start(&done).await.unwrap();
    executor.start(&ran).await.unwrap();
    ended(&executor, &done).await;
    running(&executor, &ran).await;
    executor.shutdown().await;
    fs::remove_file(bench.folder(&done).join("settled.json")).unwrap();
    for request in [&done, &ran] {
        bench.alter_identity(request, |identity| identity.boot_id = "another boot".to_owned());
    }
    let executor = bench.executor().await;
    assert_eq!(cause(&ended(&executor, &done).await), "succeeded");
    assert_eq!(cause(&ended(&executor, &ran).await), "lost");
}

#[tokio::test]
async fn a_folder_of_an_earlier_boot_is_never_started_in() {
    let bench = Bench::new();
    let executor = bench.executor().await;
    let request = bench.faulty(DIES_FIRST, "");
    executor.start(&request).await.unwrap();
    ended(&executor, &request).await;
    executor.shutdown().await;
    // As a power cut leaves it: whether a runner ever came is not known any more.
    for name in ["settled.json", "runner.out"] {
        fs::remove_file(bench.folder(&request).join(name)).unwrap();
    }
    fs::write(bench.folder(&request).join("boot.json"), "\"another boot\"").unwrap();
    let executor = bench.executor().await;
    assert!(matches!(adopted(executor.start(&request).await.unwrap()).phase, Phase::Ended { .. }));
    assert_eq!(cause(&ended(&executor, &request).await), "lost");
}

#[tokio::test]
async fn a_pid_that_was_used_again_is_another_process() {
    let bench = Bench::new();
    let executor = bench.executor().await;
    let request = bench.request("true");
    executor.start(&request).await.unwrap();
    ended(&executor, &request).await;
    executor.shutdown().await;
    let mut bystander =
        tokio::process::Command::new("sleep").arg("600").process_group(0).kill_on_drop(true).spawn().unwrap();
    for name in ["settled.json", AttemptFolder::EXIT] {
        fs::remove_file(bench.folder(&request).join(name)).unwrap();
    }
    // The number of the runner belongs to another group leader now, which began at another time.
    bench.alter_identity(&request, |identity| {
        identity.pid = bystander.id().unwrap();
        identity.start_ticks = 1;
    });
    let executor = bench.executor().await;
    assert_eq!(cause(&ended(&executor, &request).await), "lost");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(bystander.try_wait().unwrap().is_none(), "it was not touched");
}

#[tokio::test]
async fn what_an_interrupted_executor_left_is_cleaned() {
    let bench = Bench::new();
    for name in [".new-nb-1-1-1", ".trash-nb-1-1-1/work/deep"] {
        fs::create_dir_all(bench.root().join(name)).unwrap();
    }
    let executor = bench.executor().await;
    while fs::read_dir(bench.root()).unwrap().count() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(executor.list().await.unwrap().attempts.is_empty());
}

#[tokio::test]
async fn what_a_build_left_is_deleted_however_deep_and_holds_up_no_other() {
    let bench = Bench::new();
    // More than are deleted at once, of which none can be: the lock is another's.
    let held: Vec<_> = (0..9).map(|n| bench.root().join(format!(".trash-held-{n}"))).collect();
    let _locks: Vec<_> = held.iter().map(|path| hold(path)).collect();
    let executor = bench.executor().await;
    let request = bench.request(DEEP_AND_CLOSED);
    executor.start(&request).await.unwrap();
    assert_eq!(cause(&ended(&executor, &request).await), "succeeded");
    executor.remove(id(&request)).await.unwrap();
    let others = || fs::read_dir(bench.root()).unwrap().filter(|entry| !held.contains(&entry.as_ref().unwrap().path()));
    let gone = async {
        while others().count() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(300), gone).await.unwrap();
    assert!(held.iter().all(|path| path.exists()));
}

fn hold(path: &std::path::Path) -> fs::File {
    fs::create_dir(path).unwrap();
    let folder = fs::File::open(path).unwrap();
    folder.try_lock().unwrap();
    folder
}

#[tokio::test]
async fn an_end_that_cannot_be_written_is_told_nevertheless() {
    let bench = Bench::new();
    let executor = bench.executor().await;
    let request = bench.request("echo up >up; until [ -e go ]; do sleep 0.01; done; exit 3");
    executor.start(&request).await.unwrap();
    bench.written(&request, "up").await;
    // A folder in the way, as a disk without room: nothing can take its place.
    fs::create_dir_all(bench.folder(&request).join("settled.json/full")).unwrap();
    fs::write(bench.folder(&request).join("work/go"), "").unwrap();
    assert_eq!(ended(&executor, &request).await.outcome.exit_code(), Some(3));
    executor.remove(id(&request)).await.unwrap();
    assert_eq!(phase(&executor, &request).await, None);
}
