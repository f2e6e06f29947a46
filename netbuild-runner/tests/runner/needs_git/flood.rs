//! Commands that print too much: too long a log, too long a line, too fast.

use std::time::Duration;

use netbuild_core::model::Outcome;
use tokio::time::Instant;

use super::bench::{Attempt, Bench};
use super::repository::Repository;

/// What a flood prints: 500 MB, or 5 GB when there is time.
fn flood() -> u64 {
    if std::env::var_os("NETBUILD_SOAK").is_some() { 5_000_000_000 } else { 500_000_000 }
}

/// Lets the command note at its end how much memory the runner, its parent, ever had.
const NOTE_MEMORY: &str = "cat /proc/$PPID/status > $HOME/status";

/// The most memory that the runner had, in KiB.
fn peak_memory(attempt: &Attempt) -> u64 {
    let status = std::fs::read_to_string(attempt.path("home/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a process has a peak");
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Far below what is printed, far above what a runner needs.
const MEMORY: u64 = 128 << 10;

#[tokio::test]
async fn a_log_of_hundreds_of_megabytes_ends_at_its_bound_and_costs_no_memory() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let command = format!("yes 'a line of a flood' | head -c {}; {NOTE_MEMORY}", flood());
    let attempt = bench.attempt(&repository.url(), &command).rules(|rules| rules.log_bytes = 1_000_000);
    let report = attempt.run().await;
    assert_eq!(report.outcome, Outcome::Succeeded { deploy: None }, "a long log is no failure");
    let log = attempt.log();
    let marks =
        format!("\n[netbuild: log truncated after 1000000 bytes]\n[netbuild: gap of {} bytes]\n", flood() - 1_000_000);
    assert!(log.ends_with(&marks), "{}", &log[log.len() - 200..]);
    assert_eq!(log.len(), 1_000_000 + marks.len());
    assert_eq!(report.log_bytes, log.len() as u64);
    assert_eq!(bench.logs.0.lock().unwrap()[&attempt.job.attempt], log.as_bytes(), "the gateway has it all");
    println!("{} MB printed; the runner's peak: {} KiB", flood() / 1_000_000, peak_memory(&attempt));
    assert!(peak_memory(&attempt) < MEMORY);
}

#[tokio::test]
async fn an_endless_line_is_cut_and_costs_no_memory() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let bytes = flood() / 50;
    let command = format!("head -c {bytes} /dev/zero; echo; echo next; {NOTE_MEMORY}");
    let attempt = bench.attempt(&repository.url(), &command).rules(|rules| rules.log_line_bytes = 1_000);
    let report = attempt.run().await;
    assert_eq!(report.outcome, Outcome::Succeeded { deploy: None });
    let expected = format!("{}\n[netbuild: line cut after 1000 bytes]\nnext\n", "\0".repeat(1_000));
    assert_eq!(attempt.log(), expected);
    println!("a line of {} MB; the runner's peak: {} KiB", bytes / 1_000_000, peak_memory(&attempt));
    assert!(peak_memory(&attempt) < MEMORY);
}

#[tokio::test]
async fn a_command_that_prints_too_fast_waits_and_nothing_is_lost() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let attempt =
        bench.attempt(&repository.url(), "yes | head -c 6000000").rules(|rules| rules.log_bytes_per_second = 1_000_000);
    let begun = Instant::now();
    let report = attempt.run().await;
    assert_eq!(report.outcome, Outcome::Succeeded { deploy: None });
    // One second's bytes go at once, and the last ones fit into pipes and buffers of less than half a megabyte.
    assert!(begun.elapsed() >= Duration::from_millis(4_500), "it did not wait");
    assert_eq!(attempt.log(), "y\n".repeat(3_000_000));
}

#[tokio::test]
async fn what_is_left_in_the_pipe_at_the_commands_end_is_not_waited_for() {
    let (bench, repository) = (Bench::new().await, Repository::new());
    let attempt = bench
        .attempt(&repository.url(), "yes | head -c 50000; echo the end")
        .rules(|rules| rules.log_bytes_per_second = 1);
    let report = attempt.run().await;
    assert_eq!(report.outcome, Outcome::Succeeded { deploy: None });
    assert_eq!(attempt.log(), "y\n".repeat(25_000) + "the end\n", "at a byte a second that were half a day");
}
