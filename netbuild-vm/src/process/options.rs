//! What the host configures.

use std::ffi::OsString;
use std::num::NonZero;
use std::ops::Range;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use netbuild_core::model::HostName;

/// How a [`ProcessExecutor`](super::ProcessExecutor) works: plain data.
#[derive(Clone, Debug)]
pub struct ProcessOptions {
    /// The folder of all attempts, made if it is missing. It must be on a local disk, for it holds workspaces and file
    /// locks, and of this executor alone; executors of several schedulers on one host may share it.
    pub root: PathBuf,
    /// The runner.
    pub runner: RunnerCommand,
    /// How many attempts run at once. Default: the processors of this host.
    pub slots: u32,
    /// How often the folders are looked at, for runners that begin, graces that pass and adopted runners that end. The end
    /// of a runner that this process started is seen at once. Default 200 ms.
    pub poll: Duration,
    /// The longest that a call takes; past it the answer is of unknown effect. Default 10 s.
    pub deadline: Duration,
    /// The user ids that commands run as, each attempt's under one of its own; `None`, the default: commands run as
    /// the user of this process. It needs root, a root folder that other users can reach, and ids from 1 to 2³¹ − 2 that nobody
    /// else on this host has: neither accounts nor another executor's root, for whatever runs as one of them is killed. The
    /// same ids with the highest bit must be nobody's either. An attempt keeps its id until it is removed and deleted, so
    /// take several times the slots; without a free one a start is refused as full. Keep the range as long as attempts
    /// are there.
    ///
    /// Ids are used again, and with one whatever an earlier command left under it in `/tmp` and the like, files that
    /// only their owner may read included. They are handed out in turn: an id comes again only after every other id of
    /// the range was handed out since, or was not free when its turn came. With a thousand ids, of which at most a
    /// hundred are held, some nine hundred other attempts start before one comes again. The turn is kept in the root
    /// folder over restarts and power cuts; with another range, or without the file `.users` there, it begins anew.
    /// Whoever needs more than that empties those places, or gives tenants containers of their own.
    pub users: Option<Range<u32>>,
    /// The name of this host in observations, so that a retry can avoid it. Default none.
    pub host: Option<HostName>,
}

impl ProcessOptions {
    /// Options with every default.
    pub fn new(root: impl Into<PathBuf>, runner: RunnerCommand) -> Self {
        ProcessOptions {
            root: root.into(),
            runner,
            slots: available_parallelism().map_or(1, NonZero::get).try_into().unwrap_or(u32::MAX),
            poll: Duration::from_millis(200),
            deadline: Duration::from_secs(10),
            users: None,
            host: None,
        }
    }
}

/// The program that runs an attempt. It is started as `program args… <attempt folder>`, leads a process group of its own,
/// reads the job from its standard input and keeps to [`AttemptFolder`](netbuild_core::model::AttemptFolder).
///
/// Until it has shown itself there, it is known by the cookie in its environment, which it therefore must not hide
/// earlier. TERM goes to its whole group: a command may have ended by it before the runner hears of it.
#[derive(Clone, Debug)]
pub struct RunnerCommand {
    /// The program, by its path or by a name that is looked up in `PATH`.
    pub program: PathBuf,
    /// Its arguments before the folder.
    pub args: Vec<OsString>,
}

impl RunnerCommand {
    /// A program without arguments of its own.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        RunnerCommand { program: program.into(), args: Vec::new() }
    }

    /// With one more argument before the folder.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }
}
