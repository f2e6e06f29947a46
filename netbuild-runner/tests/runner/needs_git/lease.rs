//! Heartbeats, orders and the end of a lease.

use std::time::Duration;

use netbuild_core::model::{Cause, Outcome, RunPhase};

use super::bench::{Bench, cause, lives, until};
use super::control::Answer;
use super::repository::Repository;

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn every_phase_is_told_by_heartbeat() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    bench.attempt(&repository.url(), "sleep 0.5").run().await;
    let beats = bench.control.beats.lock().unwrap();
    assert_eq!(beats.first(), Some(&RunPhase::Fetch));
    assert!(beats.contains(&RunPhase::Run), "a new phase is told at once: {beats:?}");
}

#[tokio::test]
async fn a_stop_at_the_first_heartbeat_keeps_the_command_from_running() {
    let (bench, repository) = (Bench::with(Answer::Stop, LONG).await, Repository::new());
    let attempt = bench.attempt(&repository.url(), "touch ran");
    assert_eq!(attempt.run().await.outcome, Outcome::Cancelled);
    assert!(!attempt.work("ran").exists());
}

#[tokio::test]
async fn without_any_answer_the_command_never_runs() {
    let (bench, repository) = (Bench::with(Answer::Nothing, LONG).await, Repository::new());
    let attempt =
        bench.attempt(&repository.url(), "touch ran").rules(|rules| rules.lease = Duration::from_millis(1500));
    assert_eq!(cause(&attempt.run().await), Cause::LeaseLost);
    assert!(!attempt.work("ran").exists());
}

#[tokio::test]
async fn a_stop_order_ends_the_command() {
    let bench = Bench::with(Answer::Continue, Duration::from_secs(2)).await;
    let repository = Repository::new();
    let attempt = bench.attempt(&repository.url(), "echo $$ > $HOME/pid; echo up; exec sleep 1000");
    let child = attempt.start().await;
    until("the command is up", || attempt.path("log").exists() && attempt.log().contains("up")).await;
    bench.control.answer(Answer::Stop);
    let report = attempt.end(child).await;
    assert_eq!(report.outcome, Outcome::Cancelled);
    assert!(!lives(&attempt.path("home/pid")));
    assert_eq!(*bench.control.reports.lock().unwrap(), [report]);
}

#[tokio::test]
async fn without_answers_the_runner_kills_the_command_and_ends() {
    let bench = Bench::with(Answer::Continue, Duration::from_secs(2)).await;
    let repository = Repository::new();
    let command = "trap '' TERM; echo $$ > $HOME/pid; echo up; while :; do sleep 0.05; done";
    let attempt = bench.attempt(&repository.url(), command).rules(|rules| rules.lease = Duration::from_secs(2));
    let child = attempt.start().await;
    until("the command is up", || attempt.path("log").exists() && attempt.log().contains("up")).await;
    bench.control.answer(Answer::Nothing);
    let report = attempt.end(child).await;
    assert_eq!(cause(&report), Cause::LeaseLost);
    assert!(!lives(&attempt.path("home/pid")));
    assert!(bench.control.reports.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_scheduler_that_comes_back_within_the_lease_gets_the_report() {
    let bench = Bench::with(Answer::Continue, Duration::from_secs(30)).await;
    let repository = Repository::new();
    let attempt = bench.attempt(&repository.url(), "echo up; while ! test -e go; do sleep 0.01; done");
    let child = attempt.start().await;
    until("the command is up", || attempt.path("log").exists() && attempt.log().contains("up")).await;
    bench.control.answer(Answer::Nothing);
    std::fs::write(attempt.work("go"), "").unwrap();
    until("the exit record is there before the report", || attempt.path("exit.json").exists()).await;
    bench.control.answer(Answer::Continue);
    let report = attempt.end(child).await;
    assert_eq!(report.outcome, Outcome::Succeeded { deploy: None });
    assert_eq!(*bench.control.reports.lock().unwrap(), [report]);
}
