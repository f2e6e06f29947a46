//! All attempts of the executor: how one is found, judged and settled. Blocking; every call is short.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netbuild_core::model::{AttemptId, AttemptMark, BuildKey, ExitRecord, Report};
use netbuild_core::port::{Clock, Listing, Observed, Phase};

use tokio::sync::Notify;

use super::children::Children;
use super::error::OpenError;
use super::facts::{Found, Remembered, SETTLED, gather, read_mark};
use super::files::replace_json;
use super::folders::{Folders, Lock, LockedFolder};
use super::judge::{RunnerFact, judge};
use super::options::ProcessOptions;
use super::proc_table::{Traces, read_boot_id};
use super::signals::sweep;
use super::users;
use crate::verdict::{ExitFact, Verdict};

/// What the calls of the executor and its supervisor share.
#[derive(Debug)]
pub(super) struct Attempts {
    pub(super) options: ProcessOptions,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) folders: Folders,
    pub(super) children: Children,
    pub(super) boot_id: String,
    /// `PATH` as it was when the executor was opened.
    pub(super) search_path: Option<OsString>,
    /// Held while slots are counted and a folder is made, so that two starts do not take the last slot.
    pub(super) admission: Mutex<()>,
    /// Told when there is something to delete.
    pub(super) trash: Notify,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    attempts: BTreeMap<AttemptId, Remembered>,
    /// Under which name a build was last seen: a hint that saves reading every folder.
    names: BTreeMap<BuildKey, String>,
}

impl Attempts {
    pub(super) fn open(options: ProcessOptions, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let folders =
            Folders::open(&options.root).map_err(|source| OpenError::Root { root: options.root.clone(), source })?;
        if let Some(users) = &options.users {
            users::prepare(&options.root, users)?;
        }
        Ok(Attempts {
            folders,
            clock,
            children: Children::default(),
            boot_id: read_boot_id().map_err(OpenError::Proc)?,
            search_path: std::env::var_os("PATH"),
            admission: Mutex::new(()),
            trash: Notify::new(),
            memory: Mutex::new(Memory::default()),
            options,
        })
    }

    /// Everything that is there. What is over is settled on the way, so that after a restart of the host one list tells
    /// every end.
    pub(super) fn list(&self) -> io::Result<Listing> {
        let mut listing = Listing { attempts: Vec::new(), complete: true };
        for name in self.folders.names()? {
            match self.observe(&name) {
                Ok(observed) => listing.attempts.extend(observed),
                Err(error) => {
                    tracing::warn!(name, %error, "the folder of an attempt cannot be read; the list is not complete");
                    listing.complete = false;
                }
            }
        }
        Ok(listing)
    }

    fn observe(&self, name: &str) -> io::Result<Option<Observed>> {
        let folder = match self.folders.lock(name)? {
            Lock::Absent => return Ok(None),
            Lock::Busy => None,
            Lock::Locked(folder) => Some(folder),
        };
        let path = self.folders.path(name);
        let Some(mark) = read_mark(&path)? else { return Ok(None) };
        let found = self.look(&path, &mark)?;
        let verdict = match folder {
            Some(folder) => self.settle(&folder, &mark, &found)?,
            None => judge(&found.facts),
        };
        Ok(Some(self.observed(&mark.attempt, verdict.phase(found.facts.made_at))))
    }

    pub(super) fn observed(&self, attempt: &AttemptId, phase: Phase) -> Observed {
        Observed { attempt: attempt.clone(), host: self.options.host.clone(), phase }
    }

    /// Gathers the facts of an attempt.
    pub(super) fn look(&self, folder: &Path, mark: &AttemptMark) -> io::Result<Found> {
        let now = self.clock.monotonic();
        let remembered = self.memory().attempts.get(&mark.attempt).cloned().unwrap_or_default();
        let cookie = self.folders.cookie(folder, mark);
        let traces = Traces { leader: self.children.leader(&cookie), user: self.user_of(folder)?, cookie };
        let found = gather(folder, mark, traces, &self.boot_id, &self.children, &remembered, now)?;
        if let (RunnerFact::Runs { .. }, ExitFact::Ours(_)) = (&found.facts.runner, &found.facts.exit) {
            self.remember(&mark.attempt, |remembered| {
                remembered.lingers_since.get_or_insert(now);
            });
        }
        Ok(found)
    }

    /// The user of an attempt's folder, where attempts have users of their own.
    pub(super) fn user_of(&self, folder: &Path) -> io::Result<Option<u32>> {
        self.options.users.as_ref().map_or(Ok(None), |users| users::of(folder, users))
    }

    /// Judges an attempt, and if it is over, ends what is left of it and keeps how it ended. As long as something of it
    /// runs, it stays [`Verdict::Over`].
    pub(super) fn settle(&self, folder: &LockedFolder, mark: &AttemptMark, found: &Found) -> io::Result<Verdict> {
        let verdict = judge(&found.facts);
        if !matches!(verdict, Verdict::Over(_)) || !sweep(&found.traces)? {
            return Ok(verdict);
        }
        self.children.reap(&found.traces.cookie);
        match judge(&self.look(&folder.path, mark)?.facts) {
            Verdict::Over(report) => {
                self.keep_end(&folder.path, mark, &report);
                Ok(Verdict::Ended(report))
            }
            other => Ok(other),
        }
    }

    fn keep_end(&self, folder: &Path, mark: &AttemptMark, report: &Report) {
        let record = ExitRecord { attempt: mark.attempt.clone(), report: report.clone() };
        if let Err(error) = replace_json(folder, SETTLED, &record) {
            tracing::warn!(attempt = %mark.attempt, %error, "the end of an attempt is kept in memory only");
            self.remember(&mark.attempt, |remembered| remembered.settled = Some(report.clone()));
        }
    }

    /// The name under which an attempt has a folder, and its mark.
    pub(super) fn find(&self, attempt: &AttemptId) -> io::Result<Option<String>> {
        let is_it = |name: &str| -> io::Result<bool> {
            Ok(read_mark(&self.folders.path(name))?.is_some_and(|mark| mark.attempt == *attempt))
        };
        let hint = self.memory().names.get(&attempt.build).cloned();
        if let Some(name) = hint
            && is_it(&name)?
        {
            return Ok(Some(name));
        }
        let mut unreadable = None;
        for name in self.folders.names()? {
            match is_it(&name) {
                Ok(true) => {
                    self.memory().names.insert(attempt.build.clone(), name.clone());
                    return Ok(Some(name));
                }
                Ok(false) => {}
                Err(error) => unreadable = Some(error),
            }
        }
        unreadable.map_or(Ok(None), Err)
    }

    /// How many attempts have not ended.
    pub(super) fn count_open(&self) -> io::Result<usize> {
        let is_open = |name: &String| {
            let path = self.folders.path(name);
            match read_mark(&path) {
                Ok(Some(mark)) => !self.is_settled(&path, &mark.attempt),
                Ok(None) => false,
                Err(_) => true,
            }
        };
        Ok(self.folders.names()?.iter().filter(|name| is_open(name)).count())
    }

    /// Whether the end of the attempt in this folder was seen.
    pub(super) fn is_settled(&self, folder: &Path, attempt: &AttemptId) -> bool {
        folder.join(SETTLED).exists()
            || self.memory().attempts.get(attempt).is_some_and(|remembered| remembered.settled.is_some())
    }

    /// Whether an attempt has ended or was removed.
    pub(super) fn is_over(&self, attempt: &AttemptId, folder: &Path) -> bool {
        match read_mark(folder) {
            Ok(Some(mark)) if mark.attempt == *attempt => self.is_settled(folder, attempt),
            Ok(_) => true,
            Err(_) => false,
        }
    }

    /// Frees the name of an attempt. What was in its folder is deleted in the background.
    pub(super) fn discard(&self, folder: LockedFolder) -> io::Result<()> {
        self.folders.discard(folder)?;
        self.trash.notify_one();
        Ok(())
    }

    pub(super) fn remember(&self, attempt: &AttemptId, change: impl FnOnce(&mut Remembered)) {
        change(self.memory().attempts.entry(attempt.clone()).or_default());
    }

    /// Forgets all attempts but those that are there.
    pub(super) fn retain(&self, is_there: impl Fn(&AttemptId) -> bool) {
        let mut memory = self.memory();
        memory.attempts.retain(|attempt, _| is_there(attempt));
        let Memory { attempts: _, names } = &mut *memory;
        names.retain(|_, name| self.folders.path(name).exists());
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
