//! The command: its end, its output, and the processes that it leaves.

use std::time::Duration;

use netbuild_core::model::{Cause, Outcome, RunPhase};
use rustix::process::{Pid, Signal};
use tokio::time::Instant;

use super::bench::{Bench, cause, ended, lives, until};
use super::repository::Repository;

fn term(pid: Option<u32>) {
    let pid = Pid::from_raw(pid.unwrap().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
}

#[tokio::test]
async fn a_failing_command_keeps_its_code() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let report = bench.attempt(&repository.url(), "echo out; echo err >&2; exit 3").run().await;
    assert_eq!(cause(&report), Cause::CommandFailed { code: 3 });
    assert_eq!(report.phases.iter().map(|time| time.phase).collect::<Vec<_>>(), [RunPhase::Fetch, RunPhase::Run]);
    assert_eq!(*bench.control.reports.lock().unwrap(), [report]);
}

#[tokio::test]
async fn a_command_killed_by_somebody_else_keeps_the_signal() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let report = bench.attempt(&repository.url(), "kill -SEGV $$").run().await;
    assert_eq!(cause(&report), Cause::CommandKilled { signal: 11 });
}

#[tokio::test]
async fn the_command_sees_its_variables_and_nothing_of_the_runner() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let attempt =
        bench.attempt(&repository.url(), "env; cat; test -d $HOME && test -d $TMPDIR && test ! -e /proc/self/fd/3");
    let report = attempt.run().await;
    assert_eq!(report.outcome, Outcome::Succeeded { deploy: None }, "{}", attempt.log());
    let log = attempt.log();
    for expected in ["CI=true", "NETBUILD=true", "NETBUILD_ATTEMPT=nb-test.1", "LANG=C.UTF-8"] {
        assert!(log.contains(&format!("{expected}\n")), "{expected} in\n{log}");
    }
    for unexpected in ["PROXY", "GIT_DIR"] {
        assert!(!log.contains(unexpected), "{unexpected} in\n{log}");
    }
}

#[tokio::test]
async fn secrets_are_masked_across_writes_and_the_gateway_gets_the_same_log() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let command = "printf '%s' before-hun; sleep 0.3; echo ter22-after; echo $KEY; echo plain";
    let attempt = bench.attempt(&repository.url(), command).secret("KEY", "hunter22");
    let report = attempt.run().await;
    assert_eq!(attempt.log(), "before-[masked]-after\n[masked]\nplain\n");
    assert_eq!(report.log_bytes, attempt.log().len() as u64);
    assert_eq!(bench.logs.0.lock().unwrap()[&attempt.job.attempt], attempt.log().as_bytes());
}

#[tokio::test]
async fn a_long_log_ends_at_its_bound_with_a_mark() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let attempt = bench.attempt(&repository.url(), "yes | head -c 3000000").rules(|rules| rules.log_bytes = 1_000_000);
    let report = attempt.run().await;
    assert_eq!(report.outcome, Outcome::Succeeded { deploy: None }, "a long log is no failure");
    let log = attempt.log();
    assert_eq!(report.log_bytes, log.len() as u64);
    assert!(log.ends_with("[netbuild: log truncated after 1000000 bytes]\n[netbuild: gap of 2000000 bytes]\n"));
}

#[tokio::test]
async fn what_a_command_leaves_behind_is_killed() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    // One holds the output, one has left the group and the environment, and its parent is gone.
    let command = "sleep 1000 & echo $! > $HOME/plain
        env -i $(command -v setsid) /bin/sh -c 'echo $$ > '$HOME'/stray; exec sleep 1000' > /dev/null 2>&1 &
        while ! test -s $HOME/stray; do sleep 0.01; done; echo done";
    let attempt = bench.attempt(&repository.url(), command);
    let report = attempt.run().await;
    assert_eq!(report.outcome, Outcome::Succeeded { deploy: None });
    assert_eq!(attempt.log(), "done\n");
    assert!(!lives(&attempt.path("home/plain")));
    assert!(!lives(&attempt.path("home/stray")));
}

#[tokio::test]
async fn a_cancel_waits_for_the_command_to_end_in_its_own_way() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let command = "trap 'echo cleaned; exit 0' TERM; echo up; while :; do sleep 0.05; done";
    let attempt = bench.attempt(&repository.url(), command);
    let child = attempt.start().await;
    until("the command is up", || attempt.path("log").exists() && attempt.log().contains("up")).await;
    term(child.id());
    let report = attempt.end(child).await;
    assert_eq!(report.outcome, Outcome::Cancelled);
    assert!(attempt.log().contains("cleaned"));
    assert_eq!(*bench.control.reports.lock().unwrap(), [report]);
}

#[tokio::test]
async fn a_command_that_ignores_term_is_killed_after_the_grace() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let command = "trap '' TERM; echo $$ > $HOME/pid; echo up; while :; do sleep 0.05; done";
    let attempt = bench.attempt(&repository.url(), command).rules(|rules| rules.grace = Duration::from_secs(1));
    let child = attempt.start().await;
    until("the command is up", || attempt.path("log").exists() && attempt.log().contains("up")).await;
    let asked = Instant::now();
    term(child.id());
    let report = attempt.end(child).await;
    assert_eq!(report.outcome, Outcome::Cancelled);
    assert!(asked.elapsed() >= Duration::from_millis(900), "it had its grace");
    assert!(!lives(&attempt.path("home/pid")));
}

#[tokio::test]
async fn a_term_to_the_whole_group_is_a_cancel_and_not_a_failure_of_the_command() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let attempt = bench.attempt(&repository.url(), "echo up; exec sleep 1000");
    let child = attempt.start().await;
    until("the command is up", || attempt.path("log").exists() && attempt.log().contains("up")).await;
    let group = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    rustix::process::kill_process_group(group, Signal::TERM).unwrap();
    assert_eq!(attempt.end(child).await.outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn a_command_that_signals_its_own_group_does_not_reach_the_runner() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let tidy = bench.attempt(&repository.url(), "trap 'kill 0' EXIT; trap : TERM; sleep 1000 & exit 0").run().await;
    assert!(matches!(tidy.outcome, Outcome::Succeeded { .. }), "{tidy:?}");
    let killed = bench.attempt(&repository.url(), "kill -KILL 0").run().await;
    assert_eq!(cause(&killed), Cause::CommandKilled { signal: 9 });
}

#[tokio::test]
async fn the_run_limit_ends_the_command() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let attempt = bench
        .attempt(&repository.url(), "echo $$ > $HOME/pid; exec sleep 1000")
        .rules(|rules| rules.run = Duration::from_secs(2));
    let report = attempt.run().await;
    assert_eq!(cause(&report), Cause::RunTimeout);
    assert!(!lives(&attempt.path("home/pid")));
    assert_eq!(*bench.control.reports.lock().unwrap(), [report], "the runner is healthy and says so");
}

#[tokio::test]
async fn the_command_cannot_read_the_runners_memory() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let attempt = bench.attempt(&repository.url(), "cat /proc/$PPID/environ");
    let child = attempt.start().await;
    assert!(ended(child).await.success());
    let readable = attempt.record().outcome == Outcome::Succeeded { deploy: None };
    assert_eq!(readable, rustix::process::geteuid().is_root(), "root alone may; anybody else is kept out");
}

#[tokio::test]
async fn the_command_has_no_file_that_the_host_left_open() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    // Rust's own files are closed when another program is executed; those of other libraries are not.
    let left_open = rustix::io::dup(tempfile::tempfile().unwrap()).unwrap();
    // Looking opens a folder, which is no number of before.
    let command = "for file in /proc/$$/fd/*; do echo \"has ${file##*/}.\"; done";
    let attempt = bench.attempt(&repository.url(), command);
    assert_eq!(attempt.run().await.outcome, Outcome::Succeeded { deploy: None });
    let log = attempt.log();
    assert!(log.contains("has 2."), "{log}");
    let number = std::os::fd::AsRawFd::as_raw_fd(&left_open);
    assert!(number > 3 && !log.contains(&format!("has {number}.")), "{number} in {log}");
}
