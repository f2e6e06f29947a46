//! The promise that a build never has two live attempts, watched.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::{AttemptId, AttemptNumber, BuildKey};

/// The attempts that are alive in any of several fakes: all fakes that share one panic when a build gets a second live
/// attempt. A single [`FakeExecutor`](super::FakeExecutor) cannot, for the name is the lock; two executors can.
#[derive(Clone, Debug, Default)]
pub struct LiveAttempts {
    alive: Arc<Mutex<BTreeMap<BuildKey, AttemptNumber>>>,
}

impl LiveAttempts {
    /// Nothing is alive.
    pub fn new() -> Self {
        Self::default()
    }

    /// An attempt comes alive.
    ///
    /// # Panics
    /// When another attempt of the build is alive.
    pub(super) fn begin(&self, attempt: &AttemptId) {
        let before = self.with(|alive| match alive.get(&attempt.build) {
            Some(before) => Some(*before),
            None => {
                alive.insert(attempt.build.clone(), attempt.number);
                None
            }
        });
        if let Some(before) = before {
            panic!("two live attempts of a build: {attempt} was started while attempt {before} is alive");
        }
    }

    /// An attempt is alive no more.
    pub(super) fn end(&self, attempt: &AttemptId) {
        self.with(|alive| {
            if alive.get(&attempt.build) == Some(&attempt.number) {
                alive.remove(&attempt.build);
            }
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<BuildKey, AttemptNumber>) -> T) -> T {
        work(&mut self.alive.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
