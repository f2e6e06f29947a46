//! The engine: its memory, and the one function that moves it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::config::EngineConfig;
use super::entry::{Entry, NEVER, Stage};
use super::step::{Effects, Input};
use crate::model::{
    AttemptId, Build, BuildId, BuildKey, Cause, Change, Ending, ExecutorName, Failure, Rank, Timestamp,
};
use crate::policy::{Policy, Queued};
use crate::port::{Notice, Router};

/// The pure state machine of the scheduler: an input and a time in, effects out.
///
/// It has no I/O, no clock and no randomness: the same inputs at the same times give the same effects, so a recorded run
/// replays exactly and a day of builds is tested in milliseconds. See the [module docs](super) for an example.
#[derive(Debug)]
pub struct Engine {
    pub(super) config: EngineConfig,
    pub(super) policy: Box<dyn Policy>,
    pub(super) entries: BTreeMap<Rank, Box<Entry>>,
    pub(super) ranks: BTreeMap<BuildId, Rank>,
    pub(super) lanes: BTreeMap<ExecutorName, Lane>,
    timers: BTreeSet<(Timestamp, Rank)>,
    router_version: Option<u64>,
    pub(super) steps: u64,
    pub(super) stats: EngineStats,
}

/// The builds of one executor.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) slots: Option<u32>,
    pub(super) live: BTreeSet<Rank>,
    /// Those of them that the executor has not taken yet: it is asked, or will be again.
    pub(super) asking: BTreeSet<Rank>,
    /// The executor was full or away: nothing new before this time.
    pub(super) closed_until: Option<Timestamp>,
}

/// What the engine counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineStats {
    /// Builds in the backlog, those that wait for a backoff included.
    pub queued: u64,
    /// Live attempts.
    pub live: u64,
    /// Builds whose deploy waits to become visible.
    pub activating: u64,
    /// Inputs about attempts that are not live or builds that are not open: late and repeated ones. Harmless.
    pub stale_inputs: u64,
    /// Answers of the policy that broke its contract. A fault in the policy.
    pub policy_violations: u64,
}

/// What surrounds a step: the time, and where builds are routed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now<'a> {
    pub(super) at: Timestamp,
    pub(super) router: &'a dyn Router,
}

impl Lane {
    /// Ends the pause of an executor that was full or away, once it is over.
    pub(super) fn reopen(&mut self, now: Timestamp) {
        self.closed_until = self.closed_until.filter(|until| *until > now);
    }

    pub(super) fn has_room(&self, config: &EngineConfig) -> bool {
        self.closed_until.is_none()
            && self.asking.len() < config.max_asking
            && self.slots.is_none_or(|slots| self.live.len() < slots as usize)
    }
}

impl Engine {
    /// An engine without builds.
    pub fn new(config: EngineConfig, policy: Box<dyn Policy>) -> Self {
        Engine {
            config,
            policy,
            entries: BTreeMap::new(),
            ranks: BTreeMap::new(),
            lanes: BTreeMap::new(),
            timers: BTreeSet::new(),
            router_version: None,
            steps: 0,
            stats: EngineStats::default(),
        }
    }

    /// Takes an input in and says what to do. Everything that is due at `now` is done as well, and attempts are started
    /// where there is room. Time must not go back; a time that does is taken as it is and only makes things later.
    pub fn step(&mut self, input: Input, now: Timestamp, router: &dyn Router) -> Effects {
        self.steps += 1;
        let mut effects = Effects::default();
        let out = &mut effects;
        let now = Now { at: now, router };
        self.follow_router(now, out);
        match input {
            Input::Admitted { build, rank } => self.admit(build, rank, now, out),
            Input::CancelAsked { build, reason } => self.cancel(&build, reason, now, out),
            Input::Capacity { executor, slots } => self.lanes.entry(executor).or_default().slots = slots,
            Input::StartAnswered { attempt, answer } => self.start_answered(&attempt, answer, now, out),
            Input::Observed { executor, observed } => self.observed(&executor, observed, now, out),
            Input::Listed { executor, asked_at_step, listing } => {
                self.listed(&executor, asked_at_step, listing, now, out);
            }
            Input::Beat { attempt, phase } => self.beat(&attempt, phase, now, out),
            Input::Reported { attempt, report } => match self.live_rank(&attempt) {
                Some(rank) => self.settle(rank, report, now, out),
                None => self.stats.stale_inputs += 1,
            },
            Input::Activated { attempt, answer } => self.activated(&attempt, answer, now, out),
            Input::Tick => {}
        }
        self.do_what_is_due(now, out);
        self.dispatch(now, out);
        effects
    }

    /// When the engine wants its next step at the latest, if nothing else happens: an [`Input::Tick`] at that time.
    pub fn deadline(&self) -> Option<Timestamp> {
        let lanes = self.lanes.values().filter_map(|lane| lane.closed_until);
        self.timers.first().map(|(at, _)| *at).into_iter().chain(lanes).min()
    }

    /// How many steps it made: to be noted before an executor is asked for its list.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Whether this is the live attempt of its build: not settled, not replaced.
    pub fn is_live(&self, attempt: &AttemptId) -> bool {
        self.live_rank(attempt).is_some()
    }

    /// Whether a runner of this attempt shall go on: it is the live attempt of its build and nobody wants it to end.
    pub fn is_wanted(&self, attempt: &AttemptId) -> bool {
        let live = self.live_rank(attempt).and_then(|rank| self.entries.get(&rank)?.live());
        live.is_some_and(|live| live.stop.is_none())
    }

    /// Whether a cancel of this build would still have an effect. The key must match whole: nobody cancels another
    /// account's build.
    pub fn can_cancel(&self, build: &BuildKey) -> bool {
        let entry = self.ranks.get(&build.build).and_then(|rank| self.entries.get(rank));
        entry.is_some_and(|entry| entry.is_of(build) && !matches!(entry.stage, Stage::Activating(_)))
    }

    /// How many builds are not over.
    pub fn open_builds(&self) -> usize {
        self.entries.len()
    }

    /// How many attempts the engine has live on an executor.
    pub fn live_on(&self, executor: &ExecutorName) -> usize {
        self.lanes.get(executor).map_or(0, |lane| lane.live.len())
    }

    /// What it counts.
    pub fn stats(&self) -> EngineStats {
        self.stats
    }

    fn admit(&mut self, build: Arc<Build>, rank: Rank, now: Now<'_>, out: &mut Effects) {
        if self.ranks.contains_key(&build.id) || self.entries.contains_key(&rank) {
            self.stats.stale_inputs += 1;
            return;
        }
        out.notify.push(Notice::Admitted { build: build.key() });
        let lane = now.router.route(&build, &[]).executor;
        self.insert(build, rank, lane, Stage::Queued { since: now.at });
        self.join_lane(rank, now, out);
    }

    /// Puts a build into memory; its lane does not know of it yet.
    pub(super) fn insert(&mut self, build: Arc<Build>, rank: Rank, lane: ExecutorName, stage: Stage) {
        self.ranks.insert(build.id, rank);
        self.count(&stage, 1);
        let queued = Queued { build, rank, lane };
        let entry = Entry { queued, attempts: 0, avoid: None, cancel: None, stage, timer: NEVER };
        self.entries.insert(rank, Box::new(entry));
    }

    /// Routes a queued build and puts it into its lane's backlog.
    pub(super) fn enter_lane(&mut self, rank: Rank, now: Now<'_>, out: &mut Effects) {
        let Some(entry) = self.entries.get_mut(&rank) else { return };
        entry.queued.lane = now.router.route(entry.build(), entry.avoid_executors()).executor;
        self.join_lane(rank, now, out);
    }

    /// Puts a routed build into its lane's backlog; ends it when there is no such lane.
    fn join_lane(&mut self, rank: Rank, now: Now<'_>, out: &mut Effects) {
        let Some(entry) = self.entries.get(&rank) else { return };
        let executor = &entry.queued.lane;
        if !self.lanes.contains_key(executor) {
            let evidence = format!("the route names the executor {executor}, which this scheduler does not have");
            let failure = Failure::new(Cause::NoExecutor, evidence);
            self.end(rank, Ending::Failed { failure }, now, out);
            return;
        }
        self.policy.enqueued(&entry.queued);
        self.arm(rank);
    }

    /// Routes the whole backlog again when the router's answers may have changed.
    fn follow_router(&mut self, now: Now<'_>, out: &mut Effects) {
        let version = now.router.version();
        if self.router_version.replace(version).is_none_or(|before| before == version) {
            return;
        }
        let queued = self.entries.iter().filter(|(_, entry)| matches!(entry.stage, Stage::Queued { .. }));
        let queued: Vec<Rank> = queued.map(|(rank, _)| *rank).collect();
        for rank in queued {
            self.leave_lane(rank);
            self.enter_lane(rank, now, out);
        }
    }

    /// Takes a queued build out of its lane's backlog.
    pub(super) fn leave_lane(&mut self, rank: Rank) {
        if let Some(entry) = self.entries.get(&rank) {
            self.policy.withdrawn(&entry.queued);
        }
    }

    /// Ends a build and forgets it. The build is in no lane and has no live attempt.
    pub(super) fn end(&mut self, rank: Rank, ending: Ending, now: Now<'_>, out: &mut Effects) {
        let Some(entry) = self.forget(rank) else { return };
        let build = entry.key();
        out.persist.push(Change::Ended { build: build.clone(), ending: ending.clone(), at: now.at });
        out.notify.push(Notice::Ended { build, ending });
    }

    /// Takes a build out of memory.
    pub(super) fn forget(&mut self, rank: Rank) -> Option<Box<Entry>> {
        let entry = self.entries.remove(&rank)?;
        self.count(&entry.stage, -1);
        self.ranks.remove(&entry.build().id);
        self.timers.remove(&(entry.timer, rank));
        Some(entry)
    }

    /// Moves a build to another stage; the counts and its timer follow.
    pub(super) fn set_stage(&mut self, rank: Rank, stage: Stage) {
        self.count(&stage, 1);
        if let Some(entry) = self.entries.get_mut(&rank) {
            let before = std::mem::replace(&mut entry.stage, stage);
            self.count(&before, -1);
        }
        self.arm(rank);
    }

    /// Sets the build's timer to when something is due for it.
    pub(super) fn arm(&mut self, rank: Rank) {
        let Some(entry) = self.entries.get_mut(&rank) else { return };
        let due = entry.due(&self.config).unwrap_or(NEVER);
        let before = std::mem::replace(&mut entry.timer, due);
        if before == due {
            return;
        }
        if before != NEVER {
            self.timers.remove(&(before, rank));
        }
        if due != NEVER {
            self.timers.insert((due, rank));
        }
    }

    /// The rank of the build whose live attempt this is.
    pub(super) fn live_rank(&self, attempt: &AttemptId) -> Option<Rank> {
        let rank = *self.ranks.get(&attempt.build.build)?;
        let entry = self.entries.get(&rank)?;
        entry.is_live(attempt).then_some(rank)
    }

    /// The first build for which something is due, taken off the timers.
    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<Rank> {
        let (at, rank) = *self.timers.first().filter(|(at, _)| *at <= now)?;
        self.timers.remove(&(at, rank));
        if let Some(entry) = self.entries.get_mut(&rank) {
            entry.timer = NEVER;
        }
        Some(rank)
    }

    fn count(&mut self, stage: &Stage, by: i64) {
        let counter = match stage {
            Stage::Waiting { .. } | Stage::Queued { .. } => &mut self.stats.queued,
            Stage::Live(_) => &mut self.stats.live,
            Stage::Activating(_) => &mut self.stats.activating,
        };
        *counter = counter.saturating_add_signed(by);
    }
}
