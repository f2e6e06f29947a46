//! What the flags of a client answered, for whom, and who is to be asked next.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use netbuild_core::model::{AccountId, Build, DeployContext, ProjectId, Trust};

/// For whom flags are asked: all of a build that goes into the evaluation context.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct AskedFor {
    pub(super) account: AccountId,
    pub(super) project: ProjectId,
    pub(super) trusted: bool,
    pub(super) context: &'static str,
}

impl AskedFor {
    pub(super) fn of(build: &Build) -> Self {
        let context = match build.context {
            DeployContext::Production => "production",
            DeployContext::Branch(_) => "branch",
            DeployContext::Preview(_) => "preview",
            _ => "other",
        };
        let trusted = build.trust == Trust::Trusted;
        AskedFor { account: build.account.clone(), project: build.project.clone(), trusted, context }
    }
}

/// What one flag answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) on: bool,
    /// Reason and variant.
    pub(super) rule: String,
}

/// The answers of all rules, in their order.
pub(super) type Row = Arc<[Answer]>;

#[derive(Debug)]
struct Entry {
    /// `None` until the first answer.
    row: Option<Row>,
    /// Whether a route was asked for since the last refresh.
    used: bool,
}

/// A bounded cache of rows. One that nobody asks for any more is forgotten when its refresh is due.
#[derive(Debug)]
pub(super) struct Answers {
    capacity: usize,
    entries: HashMap<AskedFor, Entry>,
    /// Not asked yet.
    wanted: VecDeque<AskedFor>,
    /// When each was asked last; the oldest first, because all are refreshed at the same interval.
    asked: VecDeque<(Duration, AskedFor)>,
}

impl Answers {
    pub(super) fn new(capacity: usize) -> Self {
        Answers { capacity, entries: HashMap::new(), wanted: VecDeque::new(), asked: VecDeque::new() }
    }

    /// The row of somebody who is known, or is being asked for; the outer `None` for a stranger.
    pub(super) fn get(&mut self, whom: &AskedFor) -> Option<Option<Row>> {
        let entry = self.entries.get_mut(whom)?;
        entry.used = true;
        Some(entry.row.clone())
    }

    /// The row of somebody, without a use of it.
    pub(super) fn row(&self, whom: &AskedFor) -> Option<Row> {
        self.entries.get(whom)?.row.clone()
    }

    /// Keeps a row that came at once; without one, somebody is to be asked. Who was asked longest ago makes room.
    pub(super) fn insert(&mut self, whom: &AskedFor, row: Option<Row>, now: Duration) {
        if self.entries.contains_key(whom) {
            return;
        }
        if self.entries.len() >= self.capacity {
            let Some((_, oldest)) = self.asked.pop_front() else { return };
            self.entries.remove(&oldest);
        }
        match row {
            Some(_) => self.asked.push_back((now, whom.clone())),
            None => self.wanted.push_back(whom.clone()),
        }
        self.entries.insert(whom.clone(), Entry { row, used: true });
    }

    /// Who is to be asked now; whoever it is, is not named again until [`answered`](Self::answered).
    pub(super) fn next(&mut self, now: Duration, every: Duration) -> Option<AskedFor> {
        if let Some(whom) = self.wanted.pop_front() {
            return Some(whom);
        }
        while self.due(every).is_some_and(|due| due <= now) {
            let (_, whom) = self.asked.pop_front()?;
            match self.entries.get_mut(&whom) {
                Some(entry) if entry.used => {
                    entry.used = false;
                    return Some(whom);
                }
                _ => drop(self.entries.remove(&whom)),
            }
        }
        None
    }

    /// When the next refresh is due.
    pub(super) fn due(&self, every: Duration) -> Option<Duration> {
        self.asked.front().map(|(asked, _)| *asked + every)
    }

    /// Keeps what came for somebody; `None` where nothing came, and a row before it stays. Says whether a route may have
    /// changed.
    pub(super) fn answered(&mut self, whom: AskedFor, row: Option<Row>, now: Duration) -> bool {
        let Some(entry) = self.entries.get_mut(&whom) else { return false };
        let changed = match (&entry.row, &row) {
            (_, None) => false,
            (None, Some(new)) => new.iter().any(|answer| answer.on),
            (Some(old), Some(new)) => old != new,
        };
        entry.row = row.or_else(|| entry.row.take());
        self.asked.push_back((now, whom));
        changed
    }
}
