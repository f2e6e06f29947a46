//! How a process becomes a runner.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use futures_util::FutureExt;
use netbuild_core::model::{AttemptFolder, Cause, Failure, Job, Outcome, Report};
use netbuild_core::port::Clock;
use secrecy::{ExposeSecret, SecretString};

use super::clock::BootClock;
use super::confine::{close_inherited, confine};
use super::intake::{Claim, NoClaim};
use super::{attempt, disk, group};

/// The first argument of a process that shall be a runner; the second is the attempt's folder.
pub const RUNNER_ARGUMENT: &str = "netbuild-runner";

/// The longest job that is read, in bytes.
const MAX_JOB_BYTES: u64 = 16 << 20;

/// The exit code of a runner that found nothing to do.
const NOTHING_DONE: u8 = 2;

/// Becomes the runner when the arguments say so: `PROGRAM netbuild-runner FOLDER`. Otherwise `None`, and nothing happened.
///
/// A host that lets its own program be the runner calls this first in `main`, before it starts a thread or a runtime:
///
/// ```
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     if let Some(code) = netbuild_runner::runner::dispatch() {
///         return code;
///     }
///     // The host's own work.
///     ExitCode::SUCCESS
/// }
/// ```
pub fn dispatch() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(OsStr::new(RUNNER_ARGUMENT)) {
        return None;
    }
    Some(match arguments.next() {
        Some(folder) => main_from_stdin(Path::new(&folder)),
        None => {
            eprintln!("usage: {RUNNER_ARGUMENT} FOLDER, with the job on standard input");
            ExitCode::FAILURE
        }
    })
}

/// Is the runner of the attempt in `folder`: reads the job's wire text from the folder's
/// [`JOB`](netbuild_core::model::AttemptFolder::JOB), which it removes, or where that is not there from standard input to its
/// end; does the build, and returns when it is over and reported.
///
/// The caller is a process that does nothing else: this takes over its process group, its signals and its standard
/// input, and closes every other file that is open. On Linux only.
///
/// The exit code is 0 when there is an exit record of this runner, 2 when there was nothing to do here (another runner
/// has the folder, the attempt is over, or the job is of another attempt), and 1 when no record could be left. A failed
/// build has a record too: how it ended is only in there.
pub fn main_from_stdin(folder: &Path) -> ExitCode {
    match be_runner(folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(NoClaim::Unusable(error)) => {
            eprintln!("netbuild-runner: {}: {error}", folder.display());
            ExitCode::FAILURE
        }
        Err(nothing) => {
            eprintln!("netbuild-runner: {}: nothing done: {nothing}", folder.display());
            ExitCode::from(NOTHING_DONE)
        }
    }
}

fn be_runner(folder: &Path) -> Result<(), NoClaim> {
    close_inherited();
    let claim = Claim::take(folder)?;
    let clock: Arc<dyn Clock> = Arc::new(BootClock::default());
    if claim.is_late(clock.now()) {
        let late =
            Failure::new(Cause::PendingTimeout, "the runner was started after the time until which it may begin");
        return Ok(claim.end(&Report::of(Outcome::Failed(late)))?);
    }
    let job = match read_job(&claim.path(AttemptFolder::JOB)) {
        Ok(job) if job.attempt != *claim.attempt() => return Err(NoClaim::OtherAttempt),
        Ok(job) if job.user.is_some_and(|user| !group::can_end(user)) => {
            return Ok(claim.end(&attempt::broken("the command's user is none of 1 to 2147483646"))?);
        }
        Ok(job) => job,
        Err(why) => return Ok(claim.end(&attempt::broken(why))?),
    };
    group::lead()?;
    if let Err(error) = claim.begin(clock.now()) {
        return Ok(claim.end(&Report::of(Outcome::Failed(disk::failure(&error))))?);
    }
    confine()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(run(&claim, job, clock));
    // A fetch that was interrupted may hang in the network: nobody waits for its thread.
    runtime.shutdown_background();
    Ok(done?)
}

/// Runs the attempt so that also an error or a panic leaves a record.
async fn run(claim: &Claim, job: Job, clock: Arc<dyn Clock>) -> io::Result<()> {
    let user = job.user;
    let report = match AssertUnwindSafe(attempt::run(claim, job, clock)).catch_unwind().await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => Report::of(Outcome::Failed(disk::failure(&error))),
        Err(_) => attempt::broken("the runner panicked; its standard error says where"),
    };
    group::kill(user).await;
    claim.end(&report)
}

/// Reads the job, and leaves nothing to read for anybody else.
fn read_job(path: &Path) -> Result<Job, String> {
    let mut text = String::new();
    let read = match File::open(path) {
        Ok(file) => file.take(MAX_JOB_BYTES).read_to_string(&mut text).and_then(|_| fs::remove_file(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            io::stdin().lock().take(MAX_JOB_BYTES).read_to_string(&mut text).map(drop)
        }
        Err(error) => Err(error),
    };
    let text = SecretString::from(text);
    read.map_err(|error| format!("the job could not be read: {error}"))?;
    let null = File::open("/dev/null").map_err(|error| format!("/dev/null: {error}"))?;
    rustix::stdio::dup2_stdin(&null).map_err(|error| format!("standard input could not be closed: {error}"))?;
    Job::from_wire(text.expose_secret()).map_err(|error| error.to_string())
}
