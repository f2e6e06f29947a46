//! Which executor an attempt goes to, and why.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::ExecutorName;

/// The executor of an attempt and the reason. Stored with the attempt, so that "why did it run there" always has an
/// answer and a rollback finds the builds it concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The executor.
    pub executor: ExecutorName,
    /// The flag that decided; `None` when no flag was asked.
    pub flag: Option<String>,
    /// The rule that decided, in words: `default`, `account`, `25% of projects`.
    pub rule: Cow<'static, str>,
    /// The version of the flag snapshot that answered.
    pub snapshot: u64,
}

impl Route {
    /// A route that no flag decided.
    pub fn fixed(executor: ExecutorName) -> Self {
        Route { executor, flag: None, rule: Cow::Borrowed("default"), snapshot: 0 }
    }
}
