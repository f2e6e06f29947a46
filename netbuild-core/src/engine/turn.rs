//! One step's surroundings: all that builds share, the time, the router, and where the effects go.

use std::collections::{BTreeMap, BTreeSet};

use super::config::EngineConfig;
use super::entry::{Entry, Stage};
use super::machine::EngineStats;
use super::step::Effects;
use crate::model::{ExecutorName, Rank, Timestamp};
use crate::policy::Policy;
use crate::port::Router;

/// What a step has besides the builds. What happens to one build is a method here, with the build as an argument: it
/// changes the build alone, and [`Builds`](super::builds::Builds) lets the rest follow.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) shared: &'a mut Shared,
    pub(super) at: Timestamp,
    pub(super) router: &'a dyn Router,
    pub(super) out: &'a mut Effects,
}

/// What all builds share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: EngineConfig,
    pub(super) policy: Box<dyn Policy>,
    pub(super) lanes: BTreeMap<ExecutorName, Lane>,
    pub(super) router_version: Option<u64>,
    pub(super) steps: u64,
    pub(super) stats: EngineStats,
}

/// The builds of one executor.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) slots: Option<u32>,
    pub(super) live: BTreeSet<Rank>,
    /// How many of them the executor has not taken yet: it is asked, or will be again.
    pub(super) asking: usize,
    /// The executor was full or away: nothing new before this time.
    pub(super) closed_until: Option<Timestamp>,
}

/// What the counts and the lanes have to know of where a build stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not there, or over.
    Nowhere,
    Queued,
    Live {
        /// The executor has not taken it yet.
        asking: bool,
    },
    Activating,
}

impl Shared {
    pub(super) fn new(config: EngineConfig, policy: Box<dyn Policy>) -> Self {
        let (lanes, stats) = (BTreeMap::new(), EngineStats::default());
        Shared { config, policy, lanes, router_version: None, steps: 0, stats }
    }

    /// When the lanes that are closed are open again.
    pub(super) fn reopening(&self) -> impl Iterator<Item = Timestamp> {
        self.lanes.values().filter_map(|lane| lane.closed_until)
    }

    pub(super) fn has_room(&self, lane: &ExecutorName) -> bool {
        self.lanes.get(lane).is_some_and(|lane| lane.has_room(&self.config))
    }

    /// A build moved: counts and its lane follow. Only a queued build changes its lane.
    pub(super) fn moved(&mut self, entry: &Entry, before: Standing, after: Standing) {
        if before == after {
            return;
        }
        self.count(before, -1);
        self.count(after, 1);
        // An executor that is not there any more gets no lane by what it ran.
        let Some(lane) = self.lanes.get_mut(&entry.queued.lane) else { return };
        match (before.is_live(), after.is_live()) {
            (false, true) => _ = lane.live.insert(entry.queued.rank),
            (true, false) => _ = lane.live.remove(&entry.queued.rank),
            _ => {}
        }
        // One that was restored before its executor had a lane is not counted there.
        lane.asking = (lane.asking + usize::from(after.is_asking())).saturating_sub(usize::from(before.is_asking()));
    }

    fn count(&mut self, standing: Standing, by: i64) {
        let counter = match standing {
            Standing::Nowhere => return,
            Standing::Queued => &mut self.stats.queued,
            Standing::Live { .. } => &mut self.stats.live,
            Standing::Activating => &mut self.stats.activating,
        };
        *counter = counter.saturating_add_signed(by);
    }
}

impl Lane {
    /// Ends the pause of an executor that was full or away, once it is over.
    pub(super) fn reopen(&mut self, now: Timestamp) {
        self.closed_until = self.closed_until.filter(|until| *until > now);
    }

    pub(super) fn has_room(&self, config: &EngineConfig) -> bool {
        self.closed_until.is_none()
            && self.asking < config.max_asking
            && self.slots.is_none_or(|slots| self.live.len() < slots as usize)
    }
}

impl Standing {
    pub(super) fn of(entry: &Entry) -> Self {
        match &entry.stage {
            Stage::Waiting { .. } | Stage::Queued { .. } => Standing::Queued,
            Stage::Live(live) => Standing::Live { asking: !live.is_told() },
            Stage::Activating(_) => Standing::Activating,
            Stage::Over => Standing::Nowhere,
        }
    }

    fn is_live(self) -> bool {
        matches!(self, Standing::Live { .. })
    }

    fn is_asking(self) -> bool {
        self == Standing::Live { asking: true }
    }
}
