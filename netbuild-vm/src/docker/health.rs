//! How a host does: by how long its daemon takes to answer, not by whether its machine lives. A function of what was
//! measured.

use std::collections::VecDeque;
use std::time::Duration;

/// When a host is trusted. A daemon that is asked for its containers is the probe: that is what hangs first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthRules {
    /// The longest wait for the answer to a probe; past it the host is quarantined. Default 60 s: daemons under load were
    /// seen to take that long, and to come back.
    pub deadline: Duration,
    /// A host whose probes take longer than this in one of twenty is suspect, well before one hangs. Default 5 s.
    pub slow: Duration,
    /// How long all must be well before a host is trusted again: no probe without an answer, none slow. Default 2 minutes:
    /// a host that returned at once would flap.
    pub calm: Duration,
}

impl Default for HealthRules {
    fn default() -> Self {
        HealthRules {
            deadline: Duration::from_secs(60),
            slow: Duration::from_secs(5),
            calm: Duration::from_secs(2 * 60),
        }
    }
}

/// How much a host is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthState {
    /// It was not probed yet, and gets no builds.
    New,
    /// It gets builds.
    Healthy,
    /// It is slow: it gets builds only if no other host has room.
    Suspect,
    /// It did not answer: it gets no builds until it was calm for a time.
    Quarantined,
}

/// What a probe brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// An answer, after this time.
    Answered(Duration),
    /// None, or the connection broke.
    Silent,
}

/// So many probes make the trend.
const TREND: usize = 20;
/// Fewer than this make none.
const ENOUGH: usize = 5;

/// The health of one host. Times are of the monotonic clock.
#[derive(Clone, Debug)]
pub(super) struct Health {
    state: HealthState,
    /// The last answers, the newest last.
    answers: VecDeque<Duration>,
    /// Since when all was well, while the host is not trusted.
    calm_since: Option<Duration>,
}

impl Health {
    pub(super) fn new() -> Self {
        Health { state: HealthState::New, answers: VecDeque::new(), calm_since: None }
    }

    pub(super) fn state(&self) -> HealthState {
        self.state
    }

    /// The time within which 19 of the last 20 probes were answered; `None` before there were enough.
    pub(super) fn p95(&self) -> Option<Duration> {
        let mut answers: Vec<Duration> = self.answers.iter().copied().collect();
        answers.sort_unstable();
        // The next to the last of twenty; of fewer the last.
        let place = (answers.len() * 95).div_ceil(100).checked_sub(1)?;
        answers.get(place).copied().filter(|_| answers.len() >= ENOUGH)
    }

    /// Takes a probe into account. Answers the state before, if it is another now.
    pub(super) fn probed(&mut self, probe: Probe, now: Duration, rules: &HealthRules) -> Option<HealthState> {
        let before = self.state;
        match probe {
            Probe::Silent => {
                self.state = HealthState::Quarantined;
                self.answers.clear();
                self.calm_since = None;
            }
            Probe::Answered(time) => {
                self.answers.push_back(time);
                if self.answers.len() > TREND {
                    self.answers.pop_front();
                }
                self.answered(time, now, rules);
            }
        }
        (self.state != before).then_some(before)
    }

    fn answered(&mut self, time: Duration, now: Duration, rules: &HealthRules) {
        let is_slow = self.p95().is_some_and(|p95| p95 > rules.slow);
        match self.state {
            HealthState::New => self.state = HealthState::Healthy,
            HealthState::Healthy if is_slow => {
                self.state = HealthState::Suspect;
                self.calm_since = None;
            }
            HealthState::Healthy => {}
            HealthState::Suspect | HealthState::Quarantined => {
                if time > rules.slow {
                    self.calm_since = None;
                } else if now.saturating_sub(*self.calm_since.get_or_insert(now)) >= rules.calm {
                    self.state = HealthState::Healthy;
                    // What was slow before the calm says nothing of now.
                    self.answers.clear();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: HealthRules =
        HealthRules { deadline: Duration::from_secs(60), slow: Duration::from_secs(5), calm: Duration::from_secs(120) };

    /// Probes a host every ten seconds, and answers its states.
    fn states(health: &mut Health, from: u64, probes: impl IntoIterator<Item = Probe>) -> Vec<HealthState> {
        let at = (from..).step_by(10).map(Duration::from_secs);
        at.zip(probes).map(|(at, probe)| (health.probed(probe, at, &RULES), health.state).1).collect()
    }

    fn answered(seconds: u64) -> Probe {
        Probe::Answered(Duration::from_secs(seconds))
    }

    #[test]
    fn a_host_that_hangs_is_quarantined_at_once_and_comes_back_after_a_calm_time() {
        let mut health = Health::new();
        assert_eq!(
            states(&mut health, 0, [answered(0), Probe::Silent]),
            [HealthState::Healthy, HealthState::Quarantined]
        );
        let back = states(&mut health, 20, [answered(0); 13]);
        assert!(back[..12].iter().all(|state| *state == HealthState::Quarantined));
        assert_eq!(back[12], HealthState::Healthy, "120 s after its first answer");
    }

    #[test]
    fn it_does_not_flap() {
        let mut health = Health::new();
        states(&mut health, 0, [answered(0)]);
        // It answers for a minute, hangs, answers, is slow, and answers again.
        let minute = [answered(0); 6];
        let probes = minute.into_iter().chain([Probe::Silent]).chain(minute).chain([answered(6)]).chain(minute);
        health.probed(Probe::Silent, Duration::from_secs(5), &RULES);
        assert!(states(&mut health, 10, probes).iter().all(|state| *state == HealthState::Quarantined));
    }

    #[test]
    fn a_trend_to_slowness_is_seen_long_before_the_deadline() {
        let mut health = Health::new();
        assert_eq!(states(&mut health, 0, [answered(1); 30]).last(), Some(&HealthState::Healthy));
        assert_eq!(health.p95(), Some(Duration::from_secs(1)));
        assert_eq!(states(&mut health, 300, [answered(6)]), [HealthState::Healthy], "one of twenty");
        assert_eq!(states(&mut health, 310, [answered(6)]), [HealthState::Suspect], "two of twenty");
        // Calm, and then trusted again.
        let calm = states(&mut health, 320, [answered(1); 13]);
        assert_eq!((calm[11], calm[12]), (HealthState::Suspect, HealthState::Healthy));
    }

    #[test]
    fn few_probes_are_no_trend() {
        let mut health = Health::new();
        assert_eq!(states(&mut health, 0, [answered(6); 4]), [HealthState::Healthy; 4]);
        assert_eq!(states(&mut health, 40, [answered(6)]), [HealthState::Suspect]);
    }

    #[test]
    fn a_change_is_told_once_with_what_was_before() {
        let mut health = Health::new();
        let second = Duration::from_secs(1);
        assert_eq!(health.probed(answered(0), second, &RULES), Some(HealthState::New));
        assert_eq!(health.probed(answered(0), second, &RULES), None);
        assert_eq!(health.probed(Probe::Silent, second, &RULES), Some(HealthState::Healthy));
        assert_eq!(health.probed(Probe::Silent, second, &RULES), None);
    }
}
