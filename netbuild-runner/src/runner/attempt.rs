//! One attempt from its first heartbeat to its report.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use netbuild_core::log::Masker;
use netbuild_core::model::{AttemptFolder, Cause, Failure, Job, Outcome, Report};
use netbuild_core::port::Clock;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::gateway_client::GatewayClient;
use super::heartbeat::Heartbeat;
use super::intake::Claim;
use super::log::{self, Log};
use super::phases::Phases;
use super::progress::Progress;
use super::stop::{self, Stop, StopReason};
use super::{backoff, disk, group};

/// How long log and report may take once there is no lease any more.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Runs the attempt, leaves its exit record, and reports it.
///
/// The record comes first: it is what an executor goes by when the report never arrives.
pub(super) async fn run(claim: &Claim, job: Job, clock: Arc<dyn Clock>) -> io::Result<()> {
    let client = match GatewayClient::new(&job.gateway) {
        Ok(client) => client,
        Err(error) => return claim.end(&broken(format!("the gateway's address cannot be used: {error}"))),
    };
    let stop = Stop::new();
    let no_lease = CancellationToken::new();
    let log_is_whole = CancellationToken::new();
    let (confirmed, is_confirmed) = watch::channel(false);
    let progress = Progress::new(Arc::clone(&clock));

    let mut tasks = JoinSet::new();
    tasks.spawn(terminated(signal(SignalKind::terminate())?, stop.clone()));
    tasks.spawn(run_limit(job.rules.run, stop.clone()));
    let heartbeat = Heartbeat {
        client: client.clone(),
        clock: Arc::clone(&clock),
        phase: progress.watch(),
        lease: job.rules.lease,
        stop: stop.clone(),
        confirmed,
        over: no_lease.clone(),
    };
    tasks.spawn(heartbeat.keep());
    let mut shipping = JoinSet::new();
    shipping.spawn(log::ship(client.clone(), claim.path(AttemptFolder::LOG), log_is_whole.clone()));

    let masker = masker(&job);
    let log = Arc::new(Log::create(&claim.path(AttemptFolder::LOG), masker.another(), &job.rules, Arc::clone(&clock))?);
    let mut phases = Phases {
        folder: claim.folder(),
        job: &job,
        client: &client,
        log: Arc::clone(&log),
        progress: &progress,
        clock: &*clock,
        stop: &stop,
        confirmed: is_confirmed,
        commit: None,
    };
    let end = phases.run().await;
    let commit = phases.commit;
    group::kill(job.user).await;

    // A log whose end is lost costs a success: who reads it must not take it for whole.
    let (end, log_bytes) = match log.finish() {
        Ok(bytes) => (end, bytes),
        Err(error) => (end.and_then(|_| Err(disk::failure(&error).into())), length(claim)),
    };
    let end = end.map_err(|halt| disk::judged(halt, claim.folder()));
    let outcome = masked(stop::outcome(end, *progress.watch().borrow()), &masker);
    let report = Report { outcome, phases: progress.finish(), commit, log_bytes };
    let recorded = claim.end(&report);

    log_is_whole.cancel();
    // The log before the report, so that who hears of the end finds the whole log.
    let last_words = async {
        shipping.join_all().await;
        deliver(&client, &report, &no_lease).await;
    };
    let too_late = async {
        no_lease.cancelled().await;
        tokio::time::sleep(LAST_WORDS).await;
    };
    tokio::select! {
        () = last_words => {}
        () = too_late => {}
    }
    tasks.shutdown().await;
    // Without a record the report was all there is; meanwhile the disk may have got room.
    recorded.or_else(|_| claim.end(&report))
}

/// How much of the log came to the disk.
fn length(claim: &Claim) -> u64 {
    std::fs::metadata(claim.path(AttemptFolder::LOG)).map_or(0, |meta| meta.len())
}

/// The report of a runner that could not do its work.
pub(super) fn broken(evidence: impl Into<String>) -> Report {
    Report::of(Outcome::Failed(Failure::new(Cause::RunnerBroken, evidence)))
}

async fn terminated(mut signal: Signal, stop: Stop) {
    while signal.recv().await.is_some() {
        stop.ask(StopReason::Terminated);
    }
}

async fn run_limit(limit: Duration, stop: Stop) {
    tokio::time::sleep(limit).await;
    stop.ask(StopReason::RunTimeout);
}

fn masker(job: &Job) -> Masker {
    Masker::new(job.secrets.values().chain([&job.gateway.token]).chain(&job.credential))
}

/// Evidence quotes file names and other programs, which may hold a secret.
fn masked(outcome: Outcome, masker: &Masker) -> Outcome {
    match outcome {
        Outcome::Failed(failure) => Outcome::Failed(Failure::new(failure.cause, masker.mask(&failure.evidence))),
        Outcome::Succeeded { .. } | Outcome::Cancelled => outcome,
    }
}

/// Sends the report once, and again until it is taken, refused for good, or the lease is over.
async fn deliver(client: &GatewayClient, report: &Report, no_lease: &CancellationToken) {
    let mut repetition = 0;
    while client.report(report).await.is_err_and(|error| error.ask_again()) {
        let pause = tokio::time::sleep(backoff::pause(repetition));
        if no_lease.run_until_cancelled(pause).await.is_none() {
            return;
        }
        repetition += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::samples;

    #[test]
    fn evidence_is_masked_also_of_the_token() {
        let outcome = broken("cannot read ./token-canary").outcome;
        let masked = masked(outcome, &masker(&samples::job()));
        assert_eq!(masked.failure().unwrap().evidence, "cannot read ./[masked]");
    }
}
