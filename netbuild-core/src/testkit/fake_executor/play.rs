//! What an attempt does by itself.

use std::time::Duration;

use bytes::Bytes;

use crate::model::{AttemptId, Cause, DeployInfo, Digest, Failure, Outcome};

/// What an attempt of a [`FakeExecutor`](super::FakeExecutor) does by itself, in tokio's time. What is `None` happens only
/// when the test says so through the handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Play {
    /// How long it is pending.
    pub pending: Option<Duration>,
    /// How long it runs after that.
    pub run: Option<Duration>,
    /// How it then ends.
    pub outcome: Outcome,
    /// How long after TERM it ends as cancelled. Past the grace, and with `None`, it is killed at the end of the grace.
    pub after_term: Option<Duration>,
    /// Its log, there as soon as it runs.
    pub log: Bytes,
}

impl Play {
    /// It runs at once and then succeeds without a deploy.
    pub fn succeeds_after(run: Duration) -> Self {
        Play {
            pending: Some(Duration::ZERO),
            run: Some(run),
            outcome: Outcome::Succeeded { deploy: None },
            after_term: Some(Duration::ZERO),
            log: Bytes::new(),
        }
    }

    /// It runs at once and then succeeds with a deploy.
    pub fn deploys_after(run: Duration, deploy: DeployInfo) -> Self {
        Play { outcome: Outcome::Succeeded { deploy: Some(deploy) }, ..Play::succeeds_after(run) }
    }

    /// It runs at once and then fails.
    pub fn fails_after(run: Duration, cause: Cause) -> Self {
        Play { outcome: Outcome::Failed(Failure::new(cause, "as the test says")), ..Play::succeeds_after(run) }
    }

    /// It runs at once and goes on until it is cancelled or the handle ends it.
    pub fn runs_on() -> Self {
        Play { run: None, ..Play::succeeds_after(Duration::ZERO) }
    }

    /// It stays pending until the handle moves it.
    pub fn by_hand() -> Self {
        Play { pending: None, run: None, ..Play::succeeds_after(Duration::ZERO) }
    }

    /// It is pending for a time first.
    #[must_use]
    pub fn pending_for(mut self, pending: Duration) -> Self {
        self.pending = Some(pending);
        self
    }

    /// It ignores TERM and has to be killed.
    #[must_use]
    pub fn ignoring_term(mut self) -> Self {
        self.after_term = None;
        self
    }

    /// It writes a log.
    #[must_use]
    pub fn logging(mut self, log: impl Into<Bytes>) -> Self {
        self.log = log.into();
        self
    }
}

/// A deploy that is an attempt's own: another one for every attempt, and the same one every time.
pub fn deploy_of(attempt: &AttemptId) -> DeployInfo {
    DeployInfo { manifest: Digest::of(attempt.to_string()), files: 1, bytes: 1, uploaded: 1 }
}
