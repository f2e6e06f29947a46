//! The runners that this process started itself: they are reaped here, and nowhere else.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Mutex, MutexGuard, PoisonError};

use netbuild_core::model::AttemptId;
use tokio::process::Child;

use super::proc_table::{Leader, is_alive, read_stat};

/// The runners that are children of this process.
///
/// A child is reaped only once its attempt has ended: as a zombie it keeps its number from being used again, and with it
/// the number of its group. When this is dropped, tokio reaps what is left.
#[derive(Debug, Default)]
pub(super) struct Children {
    children: Mutex<Vec<OwnChild>>,
}

#[derive(Debug)]
struct OwnChild {
    attempt: AttemptId,
    folder: PathBuf,
    cookie: String,
    leader: Leader,
    child: Child,
    status: Option<ExitStatus>,
}

impl Children {
    /// Takes a runner that was just started.
    pub(super) fn add(&self, attempt: &AttemptId, folder: &Path, cookie: &str, child: Child) {
        // Nobody else reaps it, so its stat is there even if it has ended.
        let pid = child.id().unwrap_or_default();
        let start_ticks = read_stat(pid).ok().flatten().map_or(u64::MAX, |stat| stat.start_ticks);
        let leader = Leader { pid, start_ticks };
        self.lock().push(OwnChild {
            attempt: attempt.clone(),
            folder: folder.to_owned(),
            cookie: cookie.to_owned(),
            leader,
            child,
            status: None,
        });
    }

    /// The latest runner that was started for an attempt.
    pub(super) fn leader(&self, cookie: &str) -> Option<Leader> {
        self.lock().iter().rev().find(|own| own.cookie == cookie).map(|own| own.leader)
    }

    /// Reaps the dead runners of an attempt of which nothing runs any more, and keeps how they ended.
    pub(super) fn reap(&self, cookie: &str) {
        for own in self.lock().iter_mut().filter(|own| own.cookie == cookie) {
            own.reap();
        }
    }

    /// How the latest runner of an attempt ended, once it was reaped.
    pub(super) fn status(&self, cookie: &str) -> Option<ExitStatus> {
        self.lock().iter().rev().find(|own| own.cookie == cookie).and_then(|own| own.status)
    }

    /// Reaps and forgets the dead runners of attempts that are over for good, by attempt and folder.
    pub(super) fn forget(&self, is_over: impl Fn(&AttemptId, &Path) -> bool) {
        self.lock().retain_mut(|own| {
            if is_alive(own.leader).unwrap_or(true) || !is_over(&own.attempt, &own.folder) {
                return true;
            }
            own.reap();
            own.status.is_none()
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<OwnChild>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OwnChild {
    fn reap(&mut self) {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
    }
}
