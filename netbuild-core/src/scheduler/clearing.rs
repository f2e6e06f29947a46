//! Settled attempts that wait to be removed, in a lane of their own.
//!
//! An attempt is removed only after its log is kept, so a log store that hangs holds removals up, and every comparison
//! with an executor's list asks for them again. Here each attempt waits once, whoever asks how often, and only a few
//! removals are under way: what logs hold up is logs, and no start, cancel or activation.

use std::collections::{BTreeSet, VecDeque};

use crate::engine::Action;
use crate::model::AttemptId;

#[derive(Debug)]
pub(super) struct Clearing {
    max_under_way: usize,
    waiting: VecDeque<Action>,
    under_way: BTreeSet<AttemptId>,
    /// The attempts of both.
    known: BTreeSet<AttemptId>,
}

impl Clearing {
    /// An empty lane in which so many removals are under way at most; at least one.
    pub(super) fn new(max_under_way: usize) -> Self {
        let max_under_way = max_under_way.max(1);
        Clearing { max_under_way, waiting: VecDeque::new(), under_way: BTreeSet::new(), known: BTreeSet::new() }
    }

    /// Takes an action that keeps a log and removes; gives any other back.
    pub(super) fn take(&mut self, action: Action) -> Option<Action> {
        let Some(attempt) = cleared_by(&action) else { return Some(action) };
        if self.known.insert(attempt.clone()) {
            self.waiting.push_back(action);
        }
        None
    }

    /// The next removal, if there is room for it; it is under way from now on.
    pub(super) fn next(&mut self) -> Option<(AttemptId, Action)> {
        if self.under_way.len() >= self.max_under_way {
            return None;
        }
        let action = self.waiting.pop_front()?;
        let attempt = cleared_by(&action)?.clone();
        self.under_way.insert(attempt.clone());
        Some((attempt, action))
    }

    /// A removal is over, well or not: what is still there will be listed again.
    pub(super) fn done(&mut self, attempt: &AttemptId) {
        self.under_way.remove(attempt);
        self.known.remove(attempt);
    }

    /// How many removals are under way.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

/// The attempt that an action removes, its log first.
fn cleared_by(action: &Action) -> Option<&AttemptId> {
    match action {
        Action::Remove { attempt, .. } | Action::Reap { attempt, ended: true, .. } => Some(attempt),
        Action::Reap { ended: false, .. }
        | Action::Start { .. }
        | Action::Cancel { .. }
        | Action::Activate { .. }
        | Action::StepDown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountId, AttemptNumber, BuildId, BuildKey, ExecutorName, ProjectId, Timestamp};

    fn remove(number: u32) -> Action {
        let build = BuildKey {
            account: AccountId::new("a").unwrap(),
            project: ProjectId::new("p").unwrap(),
            build: BuildId::new(Timestamp::EPOCH, [0; 10]),
        };
        let executor = ExecutorName::new("e").unwrap();
        Action::Remove { attempt: build.attempt(AttemptNumber::new(number)), executor }
    }

    #[test]
    fn an_attempt_waits_once_and_few_are_under_way() {
        let mut clearing = Clearing::new(1);
        assert_eq!(clearing.take(Action::StepDown), Some(Action::StepDown));
        for action in [remove(1), remove(1), remove(2)] {
            assert_eq!(clearing.take(action), None);
        }
        assert_eq!(clearing.waiting(), 2);
        let (first, action) = clearing.next().unwrap();
        assert_eq!(action, remove(1));
        clearing.take(remove(1));
        assert_eq!((clearing.next(), clearing.waiting(), clearing.under_way()), (None, 1, 1));
        clearing.done(&first);
        clearing.take(remove(1));
        assert_eq!(clearing.next().unwrap().1, remove(2), "what was not removed waits at the end");
        assert_eq!(clearing.waiting(), 1);
    }
}
