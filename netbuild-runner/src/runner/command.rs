//! Running the command, and its end.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use netbuild_core::model::{Cause, Failure, JobRules};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::group;
use super::log::Log;
use super::memory::Memory;
use super::stop::{Halt, Stop, StopReason};
use super::user::bound_processes;

/// How long to read on after the command's end, when something that it left still holds its output open.
const DRAIN: Duration = Duration::from_secs(2);

/// What runs the build's command.
const SHELL: &str = "/bin/sh";

const BUFFER: usize = 64 << 10;

/// What to run.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) command: &'a str,
    pub(super) environment: BTreeMap<OsString, OsString>,
    pub(super) work: &'a Path,
    pub(super) rules: &'a JobRules,
    /// The user and group that it runs as; `None`: as the runner.
    pub(super) user: Option<u32>,
}

/// Runs the command to its end or to the stop signal. When this returns, nothing that it started runs any more.
pub(super) async fn run(call: Call<'_>, log: Arc<Log>, stop: &Stop) -> Result<(), Halt> {
    let memory = Memory::now();
    let (mut child, output) = start(&call).map_err(|error| not_started(&error))?;
    let mut pump = JoinSet::new();
    pump.spawn(copy(output, Arc::clone(&log)));

    let end = wait(&mut child, &mut pump, stop).await;
    if let End::Stopped(reason) = end {
        group::end(grace(reason, call.rules), call.user).await;
    }
    log.hurry();
    let log = drain(&mut pump, call.user).await;
    match end {
        End::Stopped(reason) => Err(Halt::Stopped(reason)),
        End::LogFailed(failure) => Err(failure.into()),
        End::Exited(status) => {
            log?;
            // A command may end with 0 although the system killed a part of it: what it made is not whole.
            memory.failure().or_else(|| failure(status)).map_or(Ok(()), |failure| Err(failure.into()))
        }
        End::Unwaitable(error) => Err(not_started(&error).into()),
    }
}

enum End {
    Exited(ExitStatus),
    Stopped(StopReason),
    LogFailed(Failure),
    Unwaitable(io::Error),
}

fn start(call: &Call<'_>) -> io::Result<(Child, Receiver)> {
    // One pipe for both, so that lines keep their order. The runner reads it itself and outlives the scheduler.
    let (reader, writer) = io::pipe()?;
    let mut command = Command::new(SHELL);
    if let Some(user) = call.user {
        bound_processes(call.rules.processes)?;
        // Privileged, this drops all other groups as well.
        command.uid(user).gid(user);
    }
    let child = command
        .args(["-c", call.command])
        .current_dir(call.work)
        .env_clear()
        .envs(&call.environment)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        // A group of its own: scripts signal their own group (`kill 0` in a trap is common), which must not be the runner.
        .process_group(0)
        .spawn()?;
    Ok((child, Receiver::from_owned_fd(reader.into())?))
}

fn not_started(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ArgumentListTooLong => Failure::new(
            Cause::SpecInvalid,
            "the command, or its environment, is longer than the system can start; put it into a script",
        ),
        io::ErrorKind::NotFound if !Path::new(SHELL).exists() => Failure::new(
            Cause::ImageInvalid,
            "the image has no /bin/sh, which runs the build's command: put a shell into it, or use another image",
        ),
        _ => Failure::new(Cause::RunnerBroken, format!("/bin/sh could not be started: {error}")),
    }
}

async fn wait(child: &mut Child, pump: &mut JoinSet<Result<(), Failure>>, stop: &Stop) -> End {
    let burial = group::bury_orphans(child.id());
    tokio::pin!(burial);
    loop {
        tokio::select! {
            biased;
            reason = stop.asked() => return End::Stopped(reason),
            status = child.wait() => return status.map_or_else(End::Unwaitable, End::Exited),
            // Its output may end before it does.
            Some(copied) = pump.join_next() => {
                if let Err(failure) = flatten(copied) {
                    return End::LogFailed(failure);
                }
            }
            () = &mut burial => {}
        }
    }
}

/// Reads what is left of the output, and kills what is left of the processes.
async fn drain(pump: &mut JoinSet<Result<(), Failure>>, user: Option<u32>) -> Result<(), Failure> {
    let early = tokio::time::timeout(DRAIN, pump.join_next()).await;
    group::kill(user).await;
    match early {
        Ok(copied) => copied.map_or(Ok(()), flatten),
        // Nobody holds the pipe any more, so that it ends now; if not, the output is cut.
        Err(_) => match tokio::time::timeout(DRAIN, pump.join_next()).await {
            Ok(Some(copied)) => flatten(copied),
            Ok(None) | Err(_) => Ok(()),
        },
    }
}

async fn copy(mut output: Receiver, log: Arc<Log>) -> Result<(), Failure> {
    let failed = |error| Failure::new(Cause::HostDisk, format!("the log could not be written: {error}"));
    let mut buffer = vec![0; BUFFER];
    loop {
        match output.read(&mut buffer).await.map_err(failed)? {
            0 => return Ok(()),
            length => log.write(&buffer[..length]).await.map_err(failed)?,
        }
    }
}

fn flatten(copied: Result<Result<(), Failure>, tokio::task::JoinError>) -> Result<(), Failure> {
    copied.unwrap_or_else(|error| Err(Failure::new(Cause::RunnerBroken, format!("the log's writer: {error}"))))
}

/// What a command's end says, when nobody asked it to end.
fn failure(status: ExitStatus) -> Option<Failure> {
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(Failure::new(Cause::CommandFailed { code }, format!("the command exited with {code}"))),
        (None, Some(signal)) => {
            Some(Failure::new(Cause::CommandKilled { signal }, format!("the command was killed by signal {signal}")))
        }
        (None, None) => Some(Failure::new(Cause::RunnerBroken, format!("the command ended without an end: {status}"))),
    }
}

/// The time between TERM and KILL. It is shorter than the executor's grace, whose KILL would hit the runner before it has
/// written how it ended; and after a lost lease it fits into the tenth of the lease that was kept back.
fn grace(reason: StopReason, rules: &JobRules) -> Duration {
    let grace = rules.grace - rules.grace / 10;
    match reason {
        StopReason::LeaseLost => grace.min(rules.lease / 20),
        StopReason::Ordered | StopReason::Terminated | StopReason::RunTimeout => grace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_has_one_meaning() {
        let table = [
            (0, None),
            (3 << 8, Some(Cause::CommandFailed { code: 3 })),
            (137 << 8, Some(Cause::CommandFailed { code: 137 })),
            (9, Some(Cause::CommandKilled { signal: 9 })),
            (11 | 0x80, Some(Cause::CommandKilled { signal: 11 })),
        ];
        for (raw, cause) in table {
            assert_eq!(failure(ExitStatus::from_raw(raw)).map(|failure| failure.cause), cause, "{raw}");
        }
    }

    #[test]
    fn the_grace_leaves_time_for_the_record() {
        let rules = JobRules { lease: Duration::from_secs(60), grace: Duration::from_secs(10), ..JobRules::default() };
        assert_eq!(grace(StopReason::Terminated, &rules), Duration::from_secs(9));
        assert_eq!(grace(StopReason::LeaseLost, &rules), Duration::from_secs(3));
        let short = JobRules { grace: Duration::from_secs(1), ..rules };
        assert_eq!(grace(StopReason::LeaseLost, &short), Duration::from_millis(900));
    }
}
