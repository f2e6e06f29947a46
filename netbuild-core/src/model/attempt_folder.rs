//! The folder of an attempt, where a runner and the executor that started it meet without talking: the same on every
//! executor that gives its runners a folder.

use serde::{Deserialize, Serialize};

use super::{AttemptId, Report, Timestamp};

/// Names of the files in an attempt's folder.
///
/// ```text
/// attempt.json   which attempt this is; written by the executor before the runner starts   (AttemptMark)
/// job.json       the job, where it does not come on standard input; the runner removes it once it has read it
/// lock           locked by the runner as long as it lives (flock); the second of two runners ends at once
/// runner.json    who the runner is; written by the runner once it has the lock             (RunnerIdentity)
/// log            the masked log; written by the runner
/// work/          the source and everything that the command makes
/// exit.json      how it ended; written last, whole or not at all                           (ExitRecord)
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AttemptFolder;

impl AttemptFolder {
    /// The [`AttemptMark`].
    pub const ATTEMPT: &'static str = "attempt.json";
    /// The [`Job`](super::Job) as [`to_wire`](super::Job::to_wire) writes it, with its secrets: readable for the runner alone, and there until
    /// the runner has read it. An executor that can give a runner no standard input puts it here.
    pub const JOB: &'static str = "job.json";
    /// The lock.
    pub const LOCK: &'static str = "lock";
    /// The [`RunnerIdentity`].
    pub const RUNNER: &'static str = "runner.json";
    /// The log.
    pub const LOG: &'static str = "log";
    /// The workspace.
    pub const WORK: &'static str = "work";
    /// The [`ExitRecord`].
    pub const EXIT: &'static str = "exit.json";
    /// The environment variable that every process of an attempt inherits: `<build name>.<attempt number>`, and behind
    /// another dot what tells the executor apart from others on the same machine. By it those are found that left the
    /// process group. Only the executor that set it reads it.
    pub const COOKIE: &'static str = "NETBUILD_ATTEMPT";
}

/// Which attempt a folder is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptMark {
    /// The attempt; its number is the fence.
    pub attempt: AttemptId,
    /// When the executor made the folder.
    pub created_at: Timestamp,
    /// A runner that has not begun by then does not begin any more, by its own clock: whoever asked for it may have given
    /// it up. `None`: it may begin at any time. For executors whose calls can take effect long after they were asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_by: Option<Timestamp>,
}

/// Who a runner is, so that no other process is ever taken for it: process ids are used again, start times and boots are
/// not. The runner leads its process group, so its pid names the group as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerIdentity {
    /// The process id and process group id.
    pub pid: u32,
    /// The process's start time in clock ticks since boot: field 22 of `/proc/PID/stat`.
    pub start_ticks: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// When it began.
    pub began_at: Timestamp,
}

/// How an attempt ended, as its runner saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// The attempt; a record of another attempt does not count.
    pub attempt: AttemptId,
    /// The report, the same that the gateway gets.
    pub report: Report,
}
