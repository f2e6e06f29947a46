//! Attempts that wait for their image.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use netbuild_core::model::{AttemptId, BuildName, HostName, Report};
use netbuild_core::port::{Observed, Phase};
use tokio_util::sync::CancellationToken;

/// A pull takes this long where none was measured: an image of some hundred megabytes.
const FIRST_GUESS: Duration = Duration::from_secs(60);

/// So many measured pulls make the usual time.
const MEASURED: usize = 15;

/// The attempts whose image is on its way, and those that ended on the way. They are in memory alone: an executor that is
/// opened later does not know them, and their builds run again.
#[derive(Debug, Default)]
pub(super) struct Pulls(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    attempts: BTreeMap<AttemptId, Pull>,
    /// How long the last pulls took.
    times: VecDeque<Duration>,
}

/// An attempt whose image is on its way.
#[derive(Clone, Debug)]
pub(super) struct Pull {
    pub(super) name: BuildName,
    pub(super) host: HostName,
    pub(super) phase: Phase,
    pub(super) stop: CancellationToken,
}

impl Pulls {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, attempt: &AttemptId, name: &BuildName, host: &HostName) -> CancellationToken {
        let stop = CancellationToken::new();
        let phase = Phase::Pending { waits_for: "image pull".to_owned() };
        let pull = Pull { name: name.clone(), host: host.clone(), phase, stop: stop.clone() };
        self.state().attempts.insert(attempt.clone(), pull);
        stop
    }

    /// What there is of a build.
    pub(super) fn by_name(&self, name: &BuildName) -> Option<(AttemptId, Pull)> {
        let state = self.state();
        let found = state.attempts.iter().find(|(_, pull)| pull.name == *name);
        found.map(|(attempt, pull)| (attempt.clone(), pull.clone()))
    }

    pub(super) fn get(&self, attempt: &AttemptId) -> Option<Pull> {
        self.state().attempts.get(attempt).cloned()
    }

    /// It got no container: this is how it ended.
    pub(super) fn end(&self, attempt: &AttemptId, report: Report) -> Option<Observed> {
        let mut state = self.state();
        let pull = state.attempts.get_mut(attempt)?;
        pull.phase = Phase::Ended { report };
        Some(pull.observed(attempt))
    }

    /// It has a container now, or is removed.
    pub(super) fn remove(&self, attempt: &AttemptId) {
        self.state().attempts.remove(attempt);
    }

    pub(super) fn observed(&self) -> Vec<Observed> {
        self.state().attempts.iter().map(|(attempt, pull)| pull.observed(attempt)).collect()
    }

    /// A pull took so long.
    pub(super) fn took(&self, time: Duration) {
        let times = &mut self.state().times;
        times.truncate(MEASURED - 1);
        times.push_front(time);
    }

    /// How long a pull takes: the median of the last ones.
    pub(super) fn usual_time(&self) -> Duration {
        let mut times: Vec<Duration> = self.state().times.iter().copied().collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or(FIRST_GUESS)
    }
}

impl Pull {
    pub(super) fn observed(&self, attempt: &AttemptId) -> Observed {
        Observed { attempt: attempt.clone(), host: Some(self.host.clone()), phase: self.phase.clone() }
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_time_is_the_median_of_the_last_pulls() {
        let pulls = Pulls::default();
        assert_eq!(pulls.usual_time(), FIRST_GUESS);
        for seconds in (0..100).chain([900; 7]) {
            pulls.took(Duration::from_secs(seconds));
        }
        assert_eq!(pulls.usual_time(), Duration::from_secs(99), "few slow ones do not count");
        pulls.took(Duration::from_secs(900));
        assert_eq!(pulls.usual_time(), Duration::from_secs(900));
    }
}
