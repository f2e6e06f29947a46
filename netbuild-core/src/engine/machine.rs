//! The engine: its memory, and the one function that moves it.

use super::builds::Builds;
use super::config::EngineConfig;
use super::entry::Stage;
use super::step::{Effects, Input};
use super::turn::{Shared, Turn};
use crate::model::{AttemptId, BuildKey, BuildRecord, ExecutorName, Timestamp};
use crate::policy::Policy;
use crate::port::Router;

/// The pure state machine of the scheduler: an input and a time in, effects out.
///
/// It has no I/O, no clock and no randomness: the same inputs at the same times give the same effects, so a recorded run
/// replays exactly and a day of builds is tested in milliseconds. See the [module docs](super) for an example.
#[derive(Debug)]
pub struct Engine {
    builds: Builds,
    shared: Shared,
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

impl Engine {
    /// An engine without builds.
    pub fn new(config: EngineConfig, policy: Box<dyn Policy>) -> Self {
        Engine { builds: Builds::default(), shared: Shared::new(config, policy) }
    }

    /// Takes an input in and says what to do. Everything that is due at `now` is done as well, and attempts are started
    /// where there is room. Time must not go back; a time that does is taken as it is and only makes things later.
    pub fn step(&mut self, input: Input, now: Timestamp, router: &dyn Router) -> Effects {
        let mut effects = Effects::default();
        self.step_into(input, now, router, &mut effects);
        effects
    }

    /// [`step`](Self::step) for a driver that commits many inputs at once: adds what is to be done to `effects`.
    pub fn step_into(&mut self, input: Input, now: Timestamp, router: &dyn Router, effects: &mut Effects) {
        self.shared.steps += 1;
        let (builds, turn) = (&mut self.builds, &mut Turn { shared: &mut self.shared, at: now, router, out: effects });
        builds.follow_router(turn);
        match input {
            Input::Admitted { build, rank } => builds.admit(build, rank, turn),
            Input::CancelAsked { build, reason } => {
                builds.input(&build, turn, |entry, turn| turn.cancel(entry, reason));
            }
            Input::Capacity { executor, slots } => turn.shared.lanes.entry(executor).or_default().slots = slots,
            Input::StartAnswered { attempt, answer } => {
                builds.live_input(&attempt, turn, |entry, turn| turn.start_answered(entry, &attempt, answer));
            }
            Input::Observed { executor, observed } => builds.observed(&executor, observed, turn),
            Input::Listed { executor, asked_at_step, listing } => {
                builds.listed(&executor, asked_at_step, listing, turn);
            }
            Input::Beat { attempt, phase } => {
                builds.live_input(&attempt, turn, |entry, turn| turn.beat(entry, phase));
            }
            Input::Reported { attempt, report } => {
                builds.live_input(&attempt, turn, |entry, turn| turn.settle(entry, report));
            }
            Input::Activated { attempt, answer } => {
                builds.input(&attempt.build, turn, |entry, turn| turn.activated(entry, attempt.number, answer));
            }
            Input::Tick => {}
        }
        builds.do_what_is_due(turn);
        builds.dispatch(turn);
    }

    /// Takes in a build that the ledger knows as open, before anything else happens to it: after
    /// [`Input::Capacity`](super::Input::Capacity) of every executor and in the order of ranks.
    ///
    /// What was planned is asked for again under the same number; what was accepted waits for the executor's list; what
    /// was settled without its follow-up gets it; a deploy that waits is activated. What is to be done is added to `effects`.
    pub fn restore(&mut self, record: BuildRecord, now: Timestamp, router: &dyn Router, effects: &mut Effects) {
        self.builds.restore(record, &mut Turn { shared: &mut self.shared, at: now, router, out: effects });
    }

    /// When the engine wants its next step at the latest, if nothing else happens: an [`Input::Tick`] at that time.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.builds.deadline().into_iter().chain(self.shared.reopening()).min()
    }

    /// How many steps it made: to be noted before an executor is asked for its list.
    pub fn steps(&self) -> u64 {
        self.shared.steps
    }

    /// Whether this is the live attempt of its build: not settled, not replaced.
    pub fn is_live(&self, attempt: &AttemptId) -> bool {
        self.builds.live(attempt).is_some()
    }

    /// Whether a runner of this attempt shall go on: it is the live attempt of its build and nobody wants it to end.
    pub fn is_wanted(&self, attempt: &AttemptId) -> bool {
        self.builds.live(attempt).is_some_and(|live| live.stop.is_none())
    }

    /// Whether a cancel of this build would still have an effect. The key must match whole: nobody cancels another
    /// account's build.
    pub fn can_cancel(&self, build: &BuildKey) -> bool {
        self.builds.get(build).is_some_and(|entry| !matches!(entry.stage, Stage::Activating(_)))
    }

    /// How many builds are not over.
    pub fn open_builds(&self) -> usize {
        self.builds.len()
    }

    /// How many attempts the engine has live on an executor.
    pub fn live_on(&self, executor: &ExecutorName) -> usize {
        self.shared.lanes.get(executor).map_or(0, |lane| lane.live.len())
    }

    /// What it counts.
    pub fn stats(&self) -> EngineStats {
        self.shared.stats
    }
}
