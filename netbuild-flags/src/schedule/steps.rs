//! A percentage that is raised step by step, for as long as a guard finds it good.

use std::time::Duration;

use netbuild_core::model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Percentage;

/// A percentage that is raised step by step. It stands at one step until somebody who asks the guard moves it to the
/// next: that is a change of the definition like any other, so it is recorded and every process follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    /// The percentages, in their order: 1%, 5%, 25%, 100%. At least one.
    pub steps: Vec<Percentage>,
    /// At which of them it stands, from 0; past the last it is the last.
    #[serde(default)]
    pub at: usize,
    /// Since when it stands there. In texts as RFC 3339 has it: `2026-01-31T08:00:00Z`.
    #[serde(default, with = "crate::rfc3339")]
    pub since: Timestamp,
    /// How long it stays at a step at least, in seconds.
    pub hold_seconds: u64,
}

impl Steps {
    /// The percentage at which it stands; nobody when there is no step.
    pub fn now(&self) -> Percentage {
        self.steps.get(self.at).or(self.steps.last()).copied().unwrap_or_default()
    }

    /// Whether it stands at its last step.
    pub fn is_done(&self) -> bool {
        self.at.saturating_add(1) >= self.steps.len()
    }

    /// From when on it may be moved to the next step.
    pub fn until(&self) -> Timestamp {
        self.since + Duration::from_secs(self.hold_seconds)
    }

    /// The same at its next step, since `now`; `None` at the last step and before [`until`](Self::until).
    pub fn advanced(&self, now: Timestamp) -> Option<Steps> {
        (!self.is_done() && now >= self.until()).then(|| Steps { at: self.at + 1, since: now, ..self.clone() })
    }
}
