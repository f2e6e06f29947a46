//! Gathers what is to be known of an attempt from its folder and from `/proc`.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use netbuild_core::model::{AttemptFolder, AttemptMark, ExitRecord, Report, RunnerIdentity};
use serde::{Deserialize, Serialize};

use super::children::Children;
use super::files::{FileFact, read_json, read_tail};
use super::folders::BOOT;
use super::judge::{FolderFacts, RunnerFact};
use super::proc_table::{Leader, Traces, is_alive};
use super::signals::anybody;
use super::spawn::OUTPUT;
use crate::verdict::ExitFact;

/// How an executor settled an attempt, once it saw that nothing of it runs any more: an [`ExitRecord`].
pub(super) const SETTLED: &str = "settled.json";

/// That a cancel was asked: a [`CancelMark`].
pub(super) const CANCEL: &str = "cancel.json";

/// A cancel as it is kept in the folder, so that it goes on after a restart of the scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CancelMark {
    pub(super) grace: Duration,
}

/// What is known of an attempt without its folder: it holds as long as this executor lives.
#[derive(Clone, Debug, Default)]
pub(super) struct Remembered {
    /// Its end, should the disk be too full to keep it.
    pub(super) settled: Option<Report>,
    /// A cancel, likewise.
    pub(super) grace: Option<Duration>,
    /// Since when, on the monotonic clock, its runner lives on with its exit record written.
    pub(super) lingers_since: Option<Duration>,
}

/// An attempt as it was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) facts: FolderFacts,
    pub(super) traces: Traces,
    /// The grace of the cancel that was asked.
    pub(super) grace: Option<Duration>,
}

/// How long a runner may live on after its exit record. It has nothing left to do.
pub(super) const LINGER: Duration = Duration::from_secs(5);

const EVIDENCE_BYTES: u64 = 2048;

/// Reads which attempt a folder is for; `None` when it is no attempt's.
pub(super) fn read_mark(folder: &Path) -> io::Result<Option<AttemptMark>> {
    match read_json(&folder.join(AttemptFolder::ATTEMPT))? {
        FileFact::Read(mark) => Ok(Some(mark)),
        FileFact::Absent => Ok(None),
        FileFact::Unreadable(why) => Err(io::Error::new(io::ErrorKind::InvalidData, why)),
    }
}

/// Gathers the facts of the attempt in a folder. `now` is of the monotonic clock.
pub(super) fn gather(
    folder: &Path,
    mark: &AttemptMark,
    traces: Traces,
    boot_id: &str,
    children: &Children,
    remembered: &Remembered,
    now: Duration,
) -> io::Result<Found> {
    let settled = match &remembered.settled {
        Some(report) => Some(report.clone()),
        None => read_settled(folder, mark)?,
    };
    let mut found = Found {
        facts: FolderFacts {
            attempt: mark.attempt.clone(),
            made_at: mark.created_at,
            same_boot: !matches!(read_json::<String>(&folder.join(BOOT))?, FileFact::Read(made_in) if made_in != boot_id),
            settled,
            runner: RunnerFact::Gone,
            exit: ExitFact::Absent,
            cancel_asked: false,
            lingers: remembered.lingers_since.is_some_and(|since| now.saturating_sub(since) >= LINGER),
            log_bytes: fs::metadata(folder.join(AttemptFolder::LOG)).map_or(0, |metadata| metadata.len()),
            evidence: String::new(),
        },
        grace: read_grace(folder, remembered)?,
        traces,
    };
    if found.facts.settled.is_none() {
        found.facts.cancel_asked = found.grace.is_some();
        // The runner first, its record second: see `FolderFacts`.
        look_for_runner(folder, boot_id, &mut found, children)?;
        found.facts.exit = read_exit(folder, mark)?;
        if !matches!(found.facts.runner, RunnerFact::Runs { .. } | RunnerFact::Coming) {
            found.facts.evidence = evidence(folder, &found.traces.cookie, children);
        }
    }
    Ok(found)
}

fn look_for_runner(folder: &Path, boot_id: &str, found: &mut Found, children: &Children) -> io::Result<()> {
    let path = folder.join(AttemptFolder::RUNNER);
    let mut identity = read_json::<RunnerIdentity>(&path)?;
    let mut somebody = false;
    if !matches!(identity, FileFact::Read(_)) {
        somebody = match found.traces.leader {
            Some(child) if is_alive(child)? => true,
            _ => anybody(&found.traces)?,
        };
        // Before nobody was there, it may have shown itself and ended.
        identity = read_json(&path)?;
    }
    found.facts.runner = match identity {
        FileFact::Read(identity) if identity.boot_id != boot_id => {
            found.facts.same_boot = false;
            found.traces.leader = None;
            RunnerFact::Gone
        }
        FileFact::Read(identity) => {
            let leader = Leader { pid: identity.pid, start_ticks: identity.start_ticks };
            found.traces.leader = Some(leader);
            if is_alive(leader)? { RunnerFact::Runs { since: identity.began_at } } else { RunnerFact::Gone }
        }
        FileFact::Absent if somebody => RunnerFact::Coming,
        FileFact::Absent => RunnerFact::Absent { was_started: children.leader(&found.traces.cookie).is_some() },
        FileFact::Unreadable(_) if somebody => RunnerFact::Runs { since: found.facts.made_at },
        FileFact::Unreadable(_) => RunnerFact::Gone,
    };
    Ok(())
}

fn read_settled(folder: &Path, mark: &AttemptMark) -> io::Result<Option<Report>> {
    Ok(match read_json::<ExitRecord>(&folder.join(SETTLED))? {
        FileFact::Read(record) if record.attempt == mark.attempt => Some(record.report),
        FileFact::Read(_) | FileFact::Absent | FileFact::Unreadable(_) => None,
    })
}

fn read_exit(folder: &Path, mark: &AttemptMark) -> io::Result<ExitFact> {
    Ok(match read_json::<ExitRecord>(&folder.join(AttemptFolder::EXIT))? {
        FileFact::Absent => ExitFact::Absent,
        FileFact::Unreadable(why) => ExitFact::Unreadable(why),
        FileFact::Read(record) => ExitFact::of(record, &mark.attempt),
    })
}

fn read_grace(folder: &Path, remembered: &Remembered) -> io::Result<Option<Duration>> {
    let kept = match read_json::<CancelMark>(&folder.join(CANCEL))? {
        FileFact::Read(mark) => Some(mark.grace),
        FileFact::Absent => None,
        // Nobody but an executor writes it: that it was asked is certain.
        FileFact::Unreadable(_) => Some(Duration::ZERO),
    };
    Ok([kept, remembered.grace].into_iter().flatten().min())
}

fn evidence(folder: &Path, cookie: &str, children: &Children) -> String {
    let status = children.status(cookie).map(|status| format!("runner: {status}"));
    let output = Some(read_tail(&folder.join(OUTPUT), EVIDENCE_BYTES)).filter(|output| !output.is_empty());
    [status, output].into_iter().flatten().collect::<Vec<_>>().join("\n")
}
