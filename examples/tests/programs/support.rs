//! Running the quickstart as a program of its own, and looking at what it left.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use netbuild_examples::site::Site;
use rustix::process::{Pid, Signal, kill_process};

/// A state folder, a repository, and the commands over them.
pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) site: Site,
}

/// Copies a few pages: a build that takes no time.
pub(crate) const QUICK: &str = "mkdir -p public && cp build.sh public/index.txt && echo built";

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = Site::create(&folder.path().join("source")).unwrap();
        Bench { folder, site }
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The quickstart on this bench's repository and state.
    pub(crate) fn quickstart(&self, command: &str, more: &[&str]) -> Command {
        let mut quickstart = Command::new(program());
        quickstart
            .args(["--repo".as_ref(), self.site.path().as_os_str()])
            .args(["--command", command, "--publish", "public", "--json", "--state"])
            .arg(self.state())
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        quickstart
    }

    /// The processes whose working folder lies in this bench's folder: what an attempt left running.
    pub(crate) fn processes(&self) -> Vec<(Pid, String)> {
        let inside = |entry: std::fs::DirEntry| {
            let cwd = std::fs::read_link(entry.path().join("cwd")).ok()?;
            let runs = std::fs::read_to_string(entry.path().join("stat")).is_ok_and(|stat| !stat.contains(") Z "));
            let pid = entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)?;
            (runs && cwd.starts_with(self.folder.path())).then(|| {
                let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                (pid, String::from_utf8_lossy(&line).replace('\0', " "))
            })
        };
        std::fs::read_dir("/proc").unwrap().flatten().filter_map(inside).collect()
    }

    /// Ends what an attempt left running.
    pub(crate) fn end_processes(&self) {
        for (pid, _) in self.processes() {
            // It may have ended by itself meanwhile.
            let _ = kill_process(pid, Signal::KILL);
        }
        self.assert_nothing_runs();
    }

    /// Whether nobody holds a lock that others wait for: the write lock of the store, or one of an attempt's folder.
    pub(crate) fn is_unlocked(&self) -> bool {
        let store = rusqlite::Connection::open(self.state().join("netbuild.db")).unwrap();
        store.busy_timeout(Duration::from_millis(200)).unwrap();
        let folders = std::fs::read_dir(self.state().join("attempts")).into_iter().flatten().flatten();
        let mut folders = folders.filter_map(|entry| File::open(entry.path()).ok());
        store.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_ok() && folders.all(|folder| folder.try_lock().is_ok())
    }

    /// Waits until nothing of any attempt runs.
    pub(crate) fn assert_nothing_runs(&self) {
        wait_for("the end of every process of the attempts", || self.processes().is_empty().then_some(()));
    }
}

/// The quickstart as cargo built it for these tests.
pub(crate) fn program() -> PathBuf {
    example("quickstart")
}

/// An example program.
pub(crate) fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    assert!(
        program.exists(),
        "{} is missing: `cargo build --workspace --all-features --examples` makes it",
        program.display()
    );
    program
}

/// The JSON object in the last line of standard output.
pub(crate) fn json(output: &Output) -> serde_json::Value {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let last = stdout.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| {
        panic!("{error} in {last:?}; it said:\n{}", String::from_utf8_lossy(&output.stderr));
    })
}

/// Waits for something outside this process, with a bound that only a fault reaches.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "waited a minute for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a child is stopped, as `kill -STOP` leaves it.
pub(crate) fn is_frozen(child: &Child) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
}

/// How many of each there are.
pub(crate) fn tally<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    counts
}
