//! A server's process, with all that it started.

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

use crate::ServerError;

/// How long a server may take to answer; the machine may be busy with other tests.
const START: Duration = Duration::from_secs(60);

/// Between two looks at whether a server answers.
const LOOK: Duration = Duration::from_millis(20);

/// How much of the log is told with an error.
const TAIL: usize = 2_000;

/// A running server. Dropping it kills it and all that it started, and waits for that.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    handle: OwnedFd,
    ended: Mutex<Receiver<()>>,
    log: PathBuf,
    program: &'static str,
}

impl Process {
    /// Starts a command, its output appended to the file `log`.
    pub(crate) fn start(program: &'static str, mut command: Command, log: &Path) -> Result<Self, ServerError> {
        let append = || File::options().create(true).append(true).open(log);
        let out = append().and_then(|out| Ok((out.try_clone()?, out)));
        let (out, err) = out.map_err(ServerError::system(format!("open {}", log.display())))?;
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let (started, start) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        // The parent's-death signal counts the thread that spawned, so that thread lives as long as its server.
        let spawned = thread::Builder::new().name(format!("server {program}")).spawn(move || {
            let child = command.spawn().and_then(|child| {
                let pid = Pid::from_child(&child);
                Ok((child, pid, pidfd_open(pid, PidfdFlags::empty())?))
            });
            match child {
                Ok((mut child, pid, handle)) => {
                    drop(started.send(Ok((pid, handle))));
                    drop(child.wait());
                }
                Err(error) => drop(started.send(Err(error))),
            }
            drop(end);
        });
        let failed = || ServerError::system(format!("start {program}"));
        let start = spawned.and_then(|_| start.recv().map_err(io::Error::other)?);
        let (pid, handle) = start.map_err(failed())?;
        Ok(Process { pid, handle, ended: Mutex::new(ended), log: log.to_owned(), program })
    }

    /// Waits until `answers` does.
    pub(crate) fn wait_until(&self, answers: impl Fn() -> bool) -> Result<(), ServerError> {
        for _ in 0..START.as_millis() / LOOK.as_millis() {
            if answers() {
                return Ok(());
            }
            match self.ended().recv_timeout(LOOK) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return Err(self.not_started("it ended".to_owned())),
            }
        }
        Err(self.not_started(format!("no answer within {START:?}")))
    }

    fn ended(&self) -> MutexGuard<'_, Receiver<()>> {
        self.ended.lock().expect("nothing panics while it holds this lock")
    }

    fn not_started(&self, reason: String) -> ServerError {
        let text = fs::read(&self.log).unwrap_or_default();
        let tail = String::from_utf8_lossy(&text[text.len().saturating_sub(TAIL)..]).into_owned();
        ServerError::NotStarted { program: self.program, reason, log: self.log.clone(), tail }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// As `kill -9` of the server and all that it started, all at once; waits until they are gone.
    pub(crate) fn kill(&self) {
        let children = self.stop();
        let _ = pidfd_send_signal(&self.handle, Signal::KILL);
        for child in &children {
            let _ = kill_process(*child, Signal::KILL);
        }
        let _ = self.ended().recv();
        // Nobody of this process waits for them: they are gone when the system has no such process, or a dead one.
        while children.iter().any(|child| is_alive(*child)) {
            pause();
        }
    }

    /// Stops the server and all that it started, as a machine that hangs: connections stay, and nobody answers.
    pub(crate) fn freeze(&self) {
        self.stop();
    }

    /// Ends a [`freeze`](Self::freeze).
    pub(crate) fn thaw(&self) {
        for child in self.children() {
            let _ = kill_process(child, Signal::CONT);
        }
        let _ = pidfd_send_signal(&self.handle, Signal::CONT);
    }

    /// Stops all processes and says which were started, directly or not: what is stopped starts no more.
    fn stop(&self) -> Vec<Pid> {
        if pidfd_send_signal(&self.handle, Signal::STOP).is_ok() {
            wait_until_stopped(self.pid);
        }
        let mut stopped = Vec::new();
        loop {
            let new: Vec<Pid> = self.children().into_iter().filter(|child| !stopped.contains(child)).collect();
            if new.is_empty() {
                return stopped;
            }
            for child in new {
                if kill_process(child, Signal::STOP).is_ok() {
                    wait_until_stopped(child);
                }
                stopped.push(child);
            }
        }
    }

    /// All processes that come from this one.
    pub(crate) fn children(&self) -> Vec<Pid> {
        let mut found = children_of(self.pid);
        let mut next = 0;
        while let Some(parent) = found.get(next) {
            found.extend(children_of(*parent));
            next += 1;
        }
        found
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether a connection to `addr` is taken.
pub(crate) fn connects(addr: SocketAddr) -> bool {
    TcpStream::connect_timeout(&addr, Duration::from_secs(1)).is_ok()
}

/// Waits for as long as between two looks.
pub(crate) fn pause() {
    #[expect(clippy::disallowed_methods, reason = "a handle of a real process lives in real time")]
    thread::sleep(LOOK);
}

/// Waits until no thread of a process runs: a signal is on its way for a moment, and threads stop one after another.
fn wait_until_stopped(pid: Pid) {
    let runs = |task: io::Result<fs::DirEntry>| {
        task.is_ok_and(|task| !matches!(state(&task.path()), None | Some('T' | 't' | 'Z' | 'X')))
    };
    while fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|mut tasks| tasks.any(runs)) {
        pause();
    }
}

/// The children of all threads of a process; none when it is gone.
fn children_of(pid: Pid) -> Vec<Pid> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split(' ').filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect::<Vec<_>>())
        .collect()
}

/// Whether a process runs: it is there, and not dead and waited for by nobody.
fn is_alive(pid: Pid) -> bool {
    state(Path::new(&format!("/proc/{pid}"))).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// The letter of a process's or thread's state; none when it is gone.
fn state(folder: &Path) -> Option<char> {
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    // `pid (name) state …`, and the name may hold anything.
    stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next())
}
