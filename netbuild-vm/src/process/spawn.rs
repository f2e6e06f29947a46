//! The start of a runner.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, PipeReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;

use netbuild_core::model::{AttemptFolder, Job};
use rustix::pipe::{fcntl_getpipe_size, fcntl_setpipe_size};
use secrecy::ExposeSecret;
use tokio::process::{Child, Command};

use super::options::RunnerCommand;

/// What the runner itself prints, in an attempt's folder: evidence when it breaks. The command's output is in the log.
pub(super) const OUTPUT: &str = "runner.out";

/// The longest job: what a pipe can be made to hold without being root.
pub(super) const MAX_JOB_BYTES: usize = 1 << 20;

/// Why no runner was started. Nothing runs.
#[derive(Debug)]
pub(super) enum SpawnError {
    /// The job is longer than [`MAX_JOB_BYTES`].
    JobTooLong { bytes: usize },
    /// No pipe or no file for its input and output.
    Host(io::Error),
    /// The program could not be executed.
    Program(io::Error),
}

/// Starts a runner as the leader of a new process group, so that a Ctrl-C at the host's terminal does not reach it.
///
/// The whole job is in the pipe before the runner is there: the scheduler may die at any time and no runner ever reads
/// half a job. The program has been executed when this returns.
pub(super) fn spawn(
    runner: &RunnerCommand,
    folder: &Path,
    cookie: &str,
    search_path: Option<&OsStr>,
    job: &Job,
) -> Result<Child, SpawnError> {
    let input = fill_pipe(job)?;
    let output =
        OpenOptions::new().append(true).create(true).mode(0o600).open(folder.join(OUTPUT)).map_err(SpawnError::Host)?;
    let mut command = Command::new(&runner.program);
    command
        .args(&runner.args)
        .arg(folder)
        .env_clear()
        .envs(search_path.map(|path| ("PATH", path)))
        .env(AttemptFolder::COOKIE, cookie)
        .current_dir(folder)
        .process_group(0)
        .stdin(Stdio::from(input))
        .stdout(output.try_clone().map_err(SpawnError::Host)?)
        .stderr(output);
    command.spawn().map_err(SpawnError::Program)
}

fn fill_pipe(job: &Job) -> Result<PipeReader, SpawnError> {
    let wire = job.to_wire();
    let bytes = wire.expose_secret().as_bytes();
    if bytes.len() > MAX_JOB_BYTES {
        return Err(SpawnError::JobTooLong { bytes: bytes.len() });
    }
    let fill = || -> io::Result<PipeReader> {
        let (reader, mut writer) = io::pipe()?;
        if fcntl_getpipe_size(&writer)? < bytes.len() {
            fcntl_setpipe_size(&writer, bytes.len())?;
        }
        writer.write_all(bytes)?;
        Ok(reader)
    };
    fill().map_err(SpawnError::Host)
}
