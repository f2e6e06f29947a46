//! What a test does with a fake.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::executor::Shared;
use super::faults::{CallFault, FakeCall, FakeCallKind, StartFault};
use super::live_attempts::LiveAttempts;
use super::state::State;
use crate::model::{AttemptId, BuildName, Report};
use crate::port::{ExecutorEvent, Phase};

/// The test's side of a [`FakeExecutor`](super::FakeExecutor). Clones move the same executor.
///
/// # Panics
/// What moves an attempt panics when the executor does not have it, or when it has ended: the test is wrong.
#[derive(Clone, Debug)]
pub struct FakeExecutorHandle {
    shared: Arc<Shared>,
}

impl FakeExecutorHandle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        FakeExecutorHandle { shared }
    }

    /// How many attempts run at once from now on; `None`, as at first, for any number.
    pub fn set_slots(&self, slots: Option<u32>) {
        self.shared.with(|state, _| state.slots = slots);
    }

    /// Shares the promise of one live attempt with other fakes. To be called before anything is started.
    pub fn share(&self, live: &LiveAttempts) {
        self.shared.with(|state, _| state.live = live.clone());
    }

    /// Lets an attempt be pending until it is moved again.
    pub fn set_pending(&self, attempt: &AttemptId, waits_for: &str) {
        let phase = Phase::Pending { waits_for: waits_for.to_owned() };
        self.with_alive(attempt, |state, name, _| state.hold(name, phase));
    }

    /// Lets an attempt run. From here on it goes on by its [`Play`](super::Play).
    pub fn set_running(&self, attempt: &AttemptId) {
        self.with_alive(attempt, |state, name, now| state.run(name, now));
    }

    /// Lets the host of an attempt not answer until it is moved again.
    pub fn set_unknown(&self, attempt: &AttemptId) {
        self.with_alive(attempt, |state, name, _| state.hold(name, Phase::Unknown));
    }

    /// Ends an attempt.
    pub fn end(&self, attempt: &AttemptId, report: Report) {
        self.with_alive(attempt, |state, name, _| state.end(name, report));
    }

    /// Lets an attempt be gone without a trace and without an event.
    pub fn vanish(&self, attempt: &AttemptId) {
        self.with_alive(attempt, |state, name, _| state.vanish(name));
    }

    /// Adds to the log of an attempt.
    pub fn append_log(&self, attempt: &AttemptId, bytes: &[u8]) {
        self.with_alive(attempt, |state, name, _| {
            if let Some(held) = state.attempts.get_mut(name) {
                held.log = Bytes::from([&held.log, bytes].concat());
            }
        });
    }

    /// Lets the next start that has no fault yet meet one.
    pub fn fail_start(&self, fault: StartFault) {
        self.shared.with(|state, _| state.start_faults.push_back(fault));
    }

    /// Lets the next call of a kind that has no fault yet meet one. For starts: [`fail_start`](Self::fail_start).
    ///
    /// # Panics
    /// For [`FakeCallKind::Start`].
    pub fn fail(&self, kind: FakeCallKind, fault: CallFault) {
        assert!(kind != FakeCallKind::Start, "a start fails by fail_start");
        self.shared.with(|state, _| state.call_faults.entry(kind).or_default().push_back(fault));
    }

    /// Delays all calls of a kind from now on: their work, and, once it is done, their answer.
    pub fn delay(&self, kind: FakeCallKind, work: Duration, answer: Duration) {
        self.shared.with(|state, _| state.delays.insert(kind, (work, answer)));
    }

    /// Whether lists say that they are complete.
    pub fn set_lists_complete(&self, complete: bool) {
        self.shared.with(|state, _| state.lists_complete = complete);
    }

    /// Leaves an attempt out of all lists, as a host that does not answer does, or shows it again.
    pub fn hide(&self, attempt: &AttemptId, hidden: bool) {
        self.shared.with(|state, _| {
            if hidden {
                state.hidden.insert(attempt.clone())
            } else {
                state.hidden.remove(attempt)
            };
        });
    }

    /// Whether events are lost without a word.
    pub fn drop_events(&self, dropping: bool) {
        self.shared.with(|state, _| state.events.dropping = dropping);
    }

    /// Tells all streams that events may have been missed.
    pub fn gap(&self) {
        self.shared.with(|state, _| state.events.push(ExecutorEvent::Gap));
    }

    /// Ends all streams of events, as a lost connection does.
    pub fn end_streams(&self) {
        self.shared.with(|state, _| state.events.ends += 1);
    }

    /// The calls so far, in the order they came; of very many the latest.
    pub fn calls(&self) -> Vec<FakeCall> {
        self.shared.with_quietly(|state| state.calls.iter().cloned().collect())
    }

    /// The attempts that have not ended.
    pub fn alive(&self) -> Vec<AttemptId> {
        self.shared.with_quietly(|state| state.alive())
    }

    /// The most attempts that were alive at once.
    pub fn most_alive(&self) -> usize {
        self.shared.with_quietly(|state| state.most_alive)
    }

    /// Where an attempt stands; `None` when the executor does not have it.
    pub fn phase(&self, attempt: &AttemptId) -> Option<Phase> {
        self.shared.with_quietly(|state| {
            let name = state.name_of(attempt)?;
            state.attempts.get(&name).map(|held| held.phase.clone())
        })
    }

    /// Waits until the executor has an attempt.
    pub async fn started(&self, attempt: &AttemptId) {
        let mut changed = self.shared.changed.subscribe();
        while self.shared.with_quietly(|state| state.name_of(attempt).is_none()) {
            // The sender is in `shared`, so it is never closed.
            let _changed = changed.changed().await;
        }
    }

    #[track_caller]
    fn with_alive(&self, attempt: &AttemptId, work: impl FnOnce(&mut State, &BuildName, Duration)) {
        let name = self.shared.with_quietly(|state| {
            let name = state.name_of(attempt)?;
            let held = state.attempts.get(&name)?;
            (!matches!(held.phase, Phase::Ended { .. })).then_some(name)
        });
        match name {
            Some(name) => self.shared.with(|state, now| work(state, &name, now)),
            None => panic!("the executor has no live attempt {attempt}"),
        }
    }
}
