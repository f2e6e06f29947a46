//! The runner of these tests: it keeps to the contract of the attempt folder and has the faults that a test asks for.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Stdio, exit};

use netbuild_core::model::{
    AttemptFolder, AttemptMark, AttemptNumber, Cause, ExitRecord, Failure, Job, Outcome, Report, RunnerIdentity,
    Timestamp,
};
use tokio::signal::unix::{SignalKind, signal};

/// The variable of a job by which a test asks for a [`Fault`].
pub(crate) const FAULT: &str = "TEST_FAULT";

/// Ends before it takes the lock.
pub(crate) const DIES_FIRST: &str = "dies first";
/// Never comes to take the lock.
pub(crate) const NEVER_BEGINS: &str = "never begins";
/// Lives on after its exit record.
pub(crate) const LINGERS: &str = "lingers";
/// Leaves the exit record of another attempt.
pub(crate) const FOREIGN_RECORD: &str = "foreign record";
/// Leaves half an exit record.
pub(crate) const TORN_RECORD: &str = "torn record";

/// Every start of a runner adds a line here, before it takes the lock.
pub(crate) const STARTS: &str = "starts";

pub(crate) fn run() -> ! {
    let folder = PathBuf::from(std::env::args_os().next_back().unwrap());
    append(&folder.join(STARTS), "started\n");
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).unwrap();
    let job = Job::from_wire(&text).unwrap();
    let fault = job.env.get(FAULT).map_or("", String::as_str);
    match fault {
        DIES_FIRST => {
            eprintln!("this runner cannot begin");
            exit(9)
        }
        NEVER_BEGINS => loop {
            std::thread::park();
        },
        _ => {}
    }
    let lock = File::create(folder.join(AttemptFolder::LOCK)).unwrap();
    if lock.try_lock().is_err() {
        exit(3);
    }
    let mark: AttemptMark = serde_json::from_slice(&fs::read(folder.join(AttemptFolder::ATTEMPT)).unwrap()).unwrap();
    assert_eq!(mark.attempt, job.attempt);
    write(&folder, AttemptFolder::RUNNER, &serde_json::to_vec(&identity()).unwrap());
    let outcome =
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work(&folder, &job));
    let mut record = ExitRecord { attempt: job.attempt.clone(), report: Report::of(outcome) };
    if fault == FOREIGN_RECORD {
        record.attempt.number = AttemptNumber::new(99);
    }
    let mut bytes = serde_json::to_vec(&record).unwrap();
    if fault == TORN_RECORD {
        bytes.truncate(bytes.len() / 2);
    }
    write(&folder, AttemptFolder::EXIT, &bytes);
    if fault == LINGERS {
        loop {
            std::thread::park();
        }
    }
    exit(0)
}

async fn work(folder: &Path, job: &Job) -> Outcome {
    let mut term = signal(SignalKind::terminate()).unwrap();
    let log = File::create(folder.join(AttemptFolder::LOG)).unwrap();
    let workspace = folder.join(AttemptFolder::WORK);
    fs::create_dir(&workspace).unwrap();
    let mut command = tokio::process::Command::new("/bin/sh");
    if let Some(user) = job.user {
        std::os::unix::fs::chown(&workspace, Some(user), Some(user)).unwrap();
        command.uid(user).gid(user);
    }
    let mut command = command
        .args(["-c", &job.command])
        .current_dir(workspace)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let (status, mut cancelled) = tokio::select! {
        _ = term.recv() => (command.wait().await.unwrap(), true),
        status = command.wait() => (status.unwrap(), false),
    };
    // TERM goes to the whole group at once, and the command may have ended by it before this runtime hears of it. The
    // executor notes a cancel before it sends TERM: the one thing here that a runner in production must not look at.
    cancelled |= folder.join("cancel.json").exists();
    match status.code() {
        _ if cancelled => Outcome::Cancelled,
        Some(0) => Outcome::Succeeded { deploy: None },
        Some(code) => Outcome::Failed(Failure::new(Cause::CommandFailed { code }, "")),
        None => Outcome::Failed(Failure::new(Cause::CommandKilled { signal: 9 }, "")),
    }
}

fn identity() -> RunnerIdentity {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 1..].split_whitespace().collect();
    RunnerIdentity {
        pid: std::process::id(),
        start_ticks: fields[19].parse().unwrap(),
        boot_id: fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().to_owned(),
        began_at: Timestamp::from_millis(1),
    }
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let temporary = folder.join(format!(".{name}.tmp"));
    fs::write(&temporary, bytes).unwrap();
    fs::rename(temporary, folder.join(name)).unwrap();
}

fn append(path: &Path, line: &str) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(line.as_bytes()).unwrap();
}
