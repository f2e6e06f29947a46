//! What the gateway remembers of the attempts that talk to it: whether they live, and what they have used.

use netbuild_core::model::{AttemptId, DeployInfo, Digest};
use netbuild_core::port::{AttemptControl, NotLeading};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

use super::GatewayLimits;
use super::rate::Rate;
use super::refusal::Refusal;

/// The most attempts that are remembered; past it the one that was quiet longest is forgotten. Over ten times what one
/// scheduler runs, and a few megabytes.
const MAX_ATTEMPTS: usize = 10_000;

/// The most deploys of one attempt that are remembered. A runner uploads one.
const MAX_DEPLOYS: usize = 4;

/// The attempts. It is a memory and no truth: what is forgotten, by a bound or a restart, is asked again, and its counts
/// begin anew.
#[derive(Debug)]
pub(super) struct Attempts {
    control: Arc<dyn AttemptControl>,
    limits: GatewayLimits,
    /// What times are counted from.
    origin: Instant,
    known: Mutex<BTreeMap<AttemptId, Known>>,
}

#[derive(Debug)]
struct Known {
    asked_at: Instant,
    standing: Arc<Standing>,
}

impl Attempts {
    pub(super) fn new(control: Arc<dyn AttemptControl>, limits: GatewayLimits) -> Self {
        Attempts { control, limits, origin: Instant::now(), known: Mutex::default() }
    }

    /// What is remembered of an attempt.
    pub(super) fn of(&self, attempt: &AttemptId) -> Arc<Standing> {
        let now = Instant::now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(attempt) && known.len() >= MAX_ATTEMPTS {
            let quiet = known.iter().min_by_key(|(_, known)| known.asked_at).map(|(attempt, _)| attempt.clone());
            quiet.and_then(|attempt| known.remove(&attempt));
        }
        let entry = known
            .entry(attempt.clone())
            .or_insert_with(|| Known { asked_at: now, standing: Arc::new(Standing::new(&self.limits)) });
        entry.asked_at = now;
        Arc::clone(&entry.standing)
    }

    /// Counts a request of an attempt that waits for no turn.
    ///
    /// # Errors
    /// [`Refusal::TooOften`].
    pub(super) fn count(&self, standing: &Standing) -> Result<(), Refusal> {
        let allowed = standing.state().rate.take(self.origin.elapsed());
        if allowed { Ok(()) } else { Err(Refusal::TooOften) }
    }

    /// Whether an attempt lives. The scheduler is asked, but not again within [`GatewayLimits::trust`].
    pub(super) async fn is_live(&self, attempt: &AttemptId, standing: &Standing) -> Result<bool, NotLeading> {
        let now = Instant::now();
        match standing.state().life {
            Life::Over => return Ok(false),
            Life::Live { seen } if now.duration_since(seen) < self.limits.trust => return Ok(true),
            Life::Live { .. } | Life::Unknown => {}
        }
        let live = self.control.is_live(attempt).await?;
        if live {
            standing.lives()
        } else {
            standing.is_over()
        };
        Ok(live)
    }
}

/// What is remembered of one attempt.
#[derive(Debug)]
pub(super) struct Standing(Mutex<State>);

#[derive(Debug)]
struct State {
    life: Life,
    rate: Rate,
    bytes: Quota,
    uploads: Quota,
    /// Deploys whose manifest and files are stored, by their manifests, the newest last.
    deploys: Vec<(Digest, Stored)>,
}

#[derive(Clone, Copy, Debug)]
enum Life {
    Unknown,
    Live {
        seen: Instant,
    },
    /// For good: an attempt that is over never comes back.
    Over,
}

/// What the manifest of a deploy says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl Stored {
    /// Whether a report tells of this deploy.
    pub(super) fn is(&self, deploy: &DeployInfo) -> bool {
        (self.files, self.bytes) == (deploy.files, deploy.bytes) && deploy.uploaded <= deploy.files
    }
}

impl Standing {
    fn new(limits: &GatewayLimits) -> Self {
        Standing(Mutex::new(State {
            life: Life::Unknown,
            rate: Rate::new(limits.attempt_requests),
            bytes: Quota::new(limits.attempt_bytes),
            uploads: Quota::new(limits.attempt_uploads),
            deploys: Vec::new(),
        }))
    }

    /// The scheduler said so just now.
    pub(super) fn lives(&self) {
        let mut state = self.state();
        if !matches!(state.life, Life::Over) {
            state.life = Life::Live { seen: Instant::now() };
        }
    }

    /// The attempt is settled or replaced.
    pub(super) fn is_over(&self) {
        self.state().life = Life::Over;
    }

    /// Counts the begin of an upload.
    ///
    /// # Errors
    /// [`Refusal::Quota`].
    pub(super) fn spend_upload(&self) -> Result<(), Refusal> {
        self.state().uploads.spend(1, "uploads")
    }

    /// Counts uploaded bytes.
    ///
    /// # Errors
    /// [`Refusal::Quota`].
    pub(super) fn spend_bytes(&self, bytes: usize) -> Result<(), Refusal> {
        self.state().bytes.spend(bytes as u64, "bytes")
    }

    /// Remembers a deploy that is stored whole.
    pub(super) fn remember(&self, manifest: Digest, stored: Stored) {
        let deploys = &mut self.state().deploys;
        deploys.retain(|(known, _)| *known != manifest);
        if deploys.len() >= MAX_DEPLOYS {
            deploys.remove(0);
        }
        deploys.push((manifest, stored));
    }

    /// A deploy that this gateway stored for the attempt.
    pub(super) fn deploy(&self, manifest: &Digest) -> Option<Stored> {
        self.state().deploys.iter().find(|(known, _)| known == manifest).map(|(_, stored)| *stored)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Quota {
    left: u64,
    limit: u64,
}

impl Quota {
    fn new(limit: u64) -> Self {
        Quota { left: limit, limit }
    }

    fn spend(&mut self, amount: u64, what: &'static str) -> Result<(), Refusal> {
        self.left = self.left.checked_sub(amount).ok_or(Refusal::Quota { limit: self.limit, what })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use netbuild_core::model::{AccountId, AttemptNumber, BuildId, BuildKey, ProjectId, Timestamp};
    use netbuild_core::testkit::mocks::MockAttemptControl;

    use super::*;

    fn attempt(number: u32) -> AttemptId {
        let (account, project) = (AccountId::new("acme").unwrap(), ProjectId::new("site").unwrap());
        let build = BuildKey { account, project, build: BuildId::new(Timestamp::EPOCH, [1; 10]) };
        build.attempt(AttemptNumber::new(number))
    }

    fn attempts(control: MockAttemptControl) -> Attempts {
        let limits = GatewayLimits { attempt_bytes: 10, ..GatewayLimits::default() };
        Attempts::new(Arc::new(control), limits)
    }

    #[tokio::test(start_paused = true)]
    async fn the_scheduler_is_asked_now_and_then_and_never_again_after_the_end() {
        let mut control = MockAttemptControl::new();
        let mut answers = vec![Ok(false), Err(NotLeading), Ok(true)];
        control.expect_is_live().times(3).returning(move |_| answers.pop().unwrap());
        let attempts = attempts(control);
        let standing = attempts.of(&attempt(1));
        let ask = async || attempts.is_live(&attempt(1), &standing).await;
        assert_eq!((ask().await, ask().await), (Ok(true), Ok(true)), "one question");
        tokio::time::advance(GatewayLimits::default().trust).await;
        assert_eq!(ask().await, Err(NotLeading), "what was so before does not count");
        assert_eq!((ask().await, ask().await), (Ok(false), Ok(false)), "one question, and the last");
        standing.lives();
        assert_eq!(ask().await, Ok(false), "over is over");
    }

    #[tokio::test(start_paused = true)]
    async fn the_memory_is_bounded_and_forgets_who_was_quiet_longest() {
        let attempts = attempts(MockAttemptControl::new());
        for number in 1..=u32::try_from(MAX_ATTEMPTS).unwrap() {
            attempts.of(&attempt(number)).spend_bytes(10).unwrap();
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(attempts.of(&attempt(1)).spend_bytes(1).is_err(), "it is used up");
        attempts.of(&attempt(0x00ff_ffff)).spend_bytes(10).unwrap();
        assert_eq!(attempts.known.lock().unwrap().len(), MAX_ATTEMPTS);
        assert!(attempts.of(&attempt(1)).spend_bytes(1).is_err(), "it was not quiet");
        assert!(attempts.of(&attempt(2)).spend_bytes(10).is_ok(), "forgotten: its counts begin anew");
    }
}
