//! One runner a folder, one begin an attempt, and jobs that cannot be read.

use netbuild_core::model::{AttemptFolder, AttemptNumber, Cause, RunnerIdentity};
use rustix::process::{Pid, Signal};
use secrecy::ExposeSecret;

use super::bench::{Bench, cause, ended, evidence, until};
use super::repository::Repository;

const NOTHING_DONE: Option<i32> = Some(2);

#[tokio::test]
async fn a_second_runner_ends_at_once_and_disturbs_nothing() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let attempt = bench.attempt(&repository.url(), "echo ran; while ! test -e go; do sleep 0.01; done");
    let first = attempt.start().await;
    until("the command is up", || attempt.path("log").exists() && attempt.log().contains("ran")).await;
    let identity = std::fs::read(attempt.path(AttemptFolder::RUNNER)).unwrap();
    let read: RunnerIdentity = serde_json::from_slice(&identity).unwrap();
    assert_eq!(Some(read.pid), first.id());

    assert_eq!(ended(attempt.start().await).await.code(), NOTHING_DONE);
    assert_eq!(std::fs::read(attempt.path(AttemptFolder::RUNNER)).unwrap(), identity);
    std::fs::write(attempt.work("go"), "").unwrap();
    assert!(attempt.end(first).await.outcome.failure().is_none());
    assert_eq!(attempt.log(), "ran\n");

    assert_eq!(ended(attempt.start().await).await.code(), NOTHING_DONE, "after the end as well");
}

#[tokio::test]
async fn an_attempt_whose_runner_was_killed_is_not_begun_again() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let attempt = bench.attempt(&repository.url(), "echo ran; exec sleep 1000");
    let mut first = attempt.start().await;
    until("the command is up", || attempt.path("log").exists() && attempt.log().contains("ran")).await;
    let group = Pid::from_raw(first.id().unwrap().try_into().unwrap()).unwrap();
    rustix::process::kill_process_group(group, Signal::KILL).unwrap();
    first.wait().await.unwrap();
    assert_eq!(ended(attempt.start().await).await.code(), NOTHING_DONE);
    assert!(!attempt.path(AttemptFolder::EXIT).exists());
    assert_eq!(attempt.log(), "ran\n");
}

#[tokio::test]
async fn a_cut_job_leaves_a_record_that_repeats_nothing_of_it() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let attempt = bench.attempt(&repository.url(), "touch ran").secret("KEY", "hunter22");
    let wire = attempt.job.to_wire();
    let cut = &wire.expose_secret()[..wire.expose_secret().len() - 10];
    let report = attempt.end(attempt.start_with(cut).await).await;
    assert_eq!(cause(&report), Cause::RunnerBroken);
    assert!(evidence(&report).contains("cut off"), "{}", evidence(&report));
    assert!(!evidence(&report).contains("hunter22"));
    assert!(!attempt.path(AttemptFolder::RUNNER).exists());
}

#[tokio::test]
async fn a_job_of_another_attempt_is_not_begun() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let mut attempt = bench.attempt(&repository.url(), "touch ran");
    attempt.job.attempt = attempt.job.attempt.build.attempt(AttemptNumber::new(2));
    assert_eq!(ended(attempt.start().await).await.code(), NOTHING_DONE);
    assert!(!attempt.path(AttemptFolder::EXIT).exists());
    assert!(!attempt.work("").exists());
}
