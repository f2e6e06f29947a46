//! Fetching one commit through the image's `ssh` program: Git's protocol over its input and output.
//!
//! The program sees no configuration, no agent and no environment but what is written here, and it belongs to the attempt:
//! whatever ends the attempt kills it.

use std::cell::RefCell;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gix::protocol::transport::Protocol;
use gix::protocol::transport::client::git::{ConnectMode, blocking_io::Connection};
use gix::{ObjectId, Repository};
use netbuild_core::model::{Cause, Failure, Job};

use super::error::{broken, remote};
use super::pack;
use super::pack_bounds::PackBounds;
use super::pack_lines::PackLines;
use super::ssh_folder::{KEY, KNOWN_HOSTS, SshFolder};
use super::wire::{MAX_LIST_BYTES, WireError};

/// The most bytes of the program's errors that are read.
const MAX_ERROR_BYTES: u64 = 4 << 10;

/// Nothing is asked, forwarded, run or learnt, and a silence of a minute is an end.
const OPTIONS: [&str; 15] = [
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "PreferredAuthentications=publickey",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "ProxyCommand=none",
    "ConnectTimeout=30",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
    "SendEnv=GIT_PROTOCOL",
];

/// Fetches the revision and finds the commit. `private` is made for the key, and is gone afterwards.
pub(super) fn fetch(
    workspace: Repository,
    job: &Job,
    private: &Path,
    interrupt: &AtomicBool,
) -> Result<(Repository, ObjectId), Failure> {
    let disk = |error: io::Error| Failure::new(Cause::HostDisk, format!("the folder for the ssh key: {error}"));
    let folder = SshFolder::new(private, job).map_err(disk)?;
    let fetched = talk(workspace, job, &folder, interrupt);
    // A key that stays would be the command's to find: then it must not run.
    folder.remove().map_err(disk)?;
    fetched
}

fn talk(
    workspace: Repository,
    job: &Job,
    folder: &SshFolder,
    interrupt: &AtomicBool,
) -> Result<(Repository, ObjectId), Failure> {
    let address =
        gix::url::parse(job.source.repository.as_str()).map_err(|error| broken("the repository's URL", &error))?;
    let mut program = Program(command(&address, job, folder).spawn().map_err(|error| no_program(&error))?);
    let (input, output) = (program.0.stdin.take(), program.0.stdout.take());
    let (input, output) = input.zip(output).expect("both are pipes");
    let allowed = Arc::new(AtomicU64::new(MAX_LIST_BYTES));
    let lines = PackLines::new(PackBounds::of(&job.rules));
    let output = Output { output, read: 0, allowed: Arc::clone(&allowed), lines, interrupt };
    let host = None::<(&str, Option<u16>)>;
    let transport =
        Connection::new(output, input, Protocol::V2, address.path.clone(), host, ConnectMode::Process, false)
            .custom_url(Some(job.source.repository.as_str().into()));
    let pack_bytes = job.rules.source_bytes.saturating_add(MAX_LIST_BYTES);
    let talk_error = RefCell::new(None);
    let fetched = pack::receive(
        workspace,
        &job.source,
        transport,
        interrupt,
        || allowed.store(pack_bytes, Ordering::Relaxed),
        |error| {
            let failure = remote(&job.source.repository, error);
            *talk_error.borrow_mut() = Some(failure.clone());
            failure
        },
    );
    match talk_error.into_inner() {
        // A bound of this side is no fault of the program, which knows nothing of it.
        Some(failure) if failure.cause == Cause::SourceUnavailable => Err(explained(failure, &program.errors())),
        _ => fetched,
    }
}

fn command(address: &gix::Url, job: &Job, folder: &SshFolder) -> Command {
    let mut ssh = Command::new("ssh");
    ssh.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    ssh.env("HOME", folder.path()).env("GIT_PROTOCOL", "version=2").current_dir(folder.path());
    ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    ssh.args(["-T", "-x", "-a", "-F", "/dev/null"]);
    for option in OPTIONS {
        ssh.args(["-o", option]);
    }
    // Names in its working folder: the folder's own path may hold what OpenSSH reads as more than a path.
    ssh.args(["-i", if job.credential.is_some() { KEY } else { "none" }]);
    if job.rules.ssh_known_hosts.is_some() {
        ssh.arg("-o").arg(format!("UserKnownHostsFile={KNOWN_HOSTS}")).args(["-o", "GlobalKnownHostsFile=/dev/null"]);
    } else {
        ssh.args(["-o", "UserKnownHostsFile=/dev/null"]);
    }
    if let Some(port) = address.port {
        ssh.arg("-p").arg(port.to_string());
    }
    if let Some(user) = address.user() {
        ssh.args(["-l", user]);
    }
    let host = address.host().unwrap_or_default().trim_matches(['[', ']']);
    ssh.args(["--", host]).arg(format!("git-upload-pack {}", quoted(&address.path.to_string())));
    ssh
}

/// One word for the shell at the other end.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''"))
}

fn no_program(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::NotFound => Failure::new(
            Cause::SourceRefused,
            "the image has no `ssh` program: install OpenSSH's client in it, or use the repository's https URL",
        ),
        _ => Failure::new(Cause::RunnerBroken, format!("`ssh` could not be started: {error}")),
    }
}

/// The failure by what the program says of it.
fn explained(failure: Failure, errors: &str) -> Failure {
    let says = |part: &str| errors.contains(part);
    let (cause, advice) = if says("Host key verification failed") {
        (
            Cause::SourceRefused,
            "the host's key is not known or another: give its lines in JobRules::ssh_known_hosts, or in the image's \
             /etc/ssh/ssh_known_hosts",
        )
    } else if says("Permission denied") {
        (Cause::SourceDenied, "the host does not accept the key, or there is none (BuildSpec::credential)")
    } else if says("does not appear to be a git repository") || says("epository not found") {
        (Cause::SourceNotFound, "there is no repository at this URL, or the key does not open it")
    } else {
        return Failure::new(failure.cause, format!("{}\n{errors}", failure.evidence));
    };
    Failure::new(cause, format!("{advice}\n{errors}"))
}

/// The running program, killed at the latest when it is dropped.
struct Program(Child);

impl Program {
    /// What it wrote of errors, once it has ended.
    fn errors(&mut self) -> String {
        let mut text = Vec::new();
        if let Some(errors) = self.0.stderr.take() {
            // What came until an error is good enough.
            let _partial = errors.take(MAX_ERROR_BYTES).read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).trim().to_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended, and the runner may have buried it already.
        let _ended = self.0.kill();
        let _buried = self.0.wait();
    }
}

/// What the program gives, with a bound.
struct Output<'a> {
    output: ChildStdout,
    read: u64,
    allowed: Arc<AtomicU64>,
    lines: PackLines,
    interrupt: &'a AtomicBool,
}

impl Read for Output<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.interrupt.load(Ordering::Relaxed) {
            return Err(WireError::Interrupted.into());
        }
        let count = self.output.read(into)?;
        self.read += count as u64;
        let allowed = self.allowed.load(Ordering::Relaxed);
        if self.read > allowed {
            return Err(WireError::TooLong(allowed).into());
        }
        self.lines.see(&into[..count]).map_err(WireError::Pack)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_for_the_shell() {
        assert_eq!(quoted("/srv/a b;$(c)"), "'/srv/a b;$(c)'");
        assert_eq!(quoted("/it's"), r"'/it'\''s'");
    }

    #[test]
    fn each_complaint_has_its_owner() {
        let of = |errors| explained(Failure::new(Cause::SourceUnavailable, "x"), errors).cause;
        assert_eq!(of("No ED25519 host key is known for h.\nHost key verification failed."), Cause::SourceRefused);
        assert_eq!(of("git@h: Permission denied (publickey)."), Cause::SourceDenied);
        assert_eq!(of("fatal: '/r' does not appear to be a git repository"), Cause::SourceNotFound);
        assert_eq!(of("ERROR: Repository not found."), Cause::SourceNotFound);
        assert_eq!(of("ssh: connect to host h port 22: Connection refused"), Cause::SourceUnavailable);
    }
}
