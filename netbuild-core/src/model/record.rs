//! A build as the ledger keeps it, and the changes that move it from state to state.
//!
//! This is the one place that knows which transitions are legal: every ledger applies changes through
//! [`BuildRecord::apply`], so no backend can accept a life cycle that another refuses.

use serde::{Deserialize, Serialize};

use super::{
    AttemptId, AttemptNumber, Build, BuildKey, Cause, DeployInfo, Failure, HostName, Outcome, Place, Rank, Report,
    Route, Timestamp,
};

/// A build with all that happened to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRecord {
    /// What was asked.
    pub build: Build,
    /// Where its event stands in its publisher's order.
    pub place: Place,
    /// Its place in the ledger's order.
    pub rank: Rank,
    /// When the ledger admitted it.
    pub admitted_at: Timestamp,
    /// A cancel that was asked for and when.
    pub cancel_asked: Option<(CancelReason, Timestamp)>,
    /// Its attempts in the order of their numbers.
    pub attempts: Vec<AttemptRecord>,
    /// Where it stands.
    pub state: BuildState,
}

/// Where a build stands.
///
/// ```text
/// Queued -> Live -> Queued            (a retry)
///             |---> Activating -> Ended
///             |---> Ended
/// Queued -> Ended                     (cancelled, or too long in the queue)
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum BuildState {
    /// In the backlog.
    Queued {
        /// Since when.
        since: Timestamp,
        /// Not to start before this time: a retry's backoff.
        not_before: Timestamp,
    },
    /// An attempt is on its way or running.
    Live {
        /// The attempt.
        attempt: AttemptNumber,
    },
    /// An attempt succeeded with a deploy that is not yet visible.
    Activating {
        /// The attempt that made it.
        attempt: AttemptNumber,
        /// The deploy.
        deploy: DeployInfo,
    },
    /// It is over.
    Ended {
        /// How.
        ending: Ending,
        /// When.
        at: Timestamp,
    },
}

/// How a build ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ending")]
pub enum Ending {
    /// Its deploy became the visible one.
    Deployed {
        /// The deploy.
        deploy: DeployInfo,
    },
    /// Its command succeeded; it publishes nothing.
    Passed,
    /// A newer build's deploy was already visible, so its own stayed invisible.
    Superseded {
        /// The deploy that it made; it can still be activated by hand.
        deploy: DeployInfo,
        /// The newer build's rank.
        by: Rank,
    },
    /// It failed for good.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// It was cancelled.
    Cancelled {
        /// By whom.
        reason: CancelReason,
    },
}

impl Ending {
    /// A stable lower-case name: `deployed`.
    pub fn label(&self) -> &'static str {
        match self {
            Ending::Deployed { .. } => "deployed",
            Ending::Passed => "passed",
            Ending::Superseded { .. } => "superseded",
            Ending::Failed { .. } => "failed",
            Ending::Cancelled { .. } => "cancelled",
        }
    }
}

/// Who asked for a cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CancelReason {
    /// A person.
    User,
    /// A newer build of the same context makes it pointless.
    Superseded,
    /// The host shuts down for good.
    Shutdown,
}

/// One attempt as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// Its number.
    pub number: AttemptNumber,
    /// Where it went and why.
    pub route: Route,
    /// When the ledger took it down, before the executor was asked.
    pub planned_at: Timestamp,
    /// The host it was accepted on, where the executor has hosts.
    pub host: Option<HostName>,
    /// Where it stands.
    pub state: AttemptState,
}

/// Where an attempt stands. It only moves down this list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum AttemptState {
    /// In the ledger; the executor may or may not have it.
    Planned,
    /// The executor has it; its runner does not run yet.
    Pending {
        /// Since when.
        since: Timestamp,
    },
    /// Its runner runs.
    Running {
        /// Since when.
        since: Timestamp,
    },
    /// It is over.
    Settled {
        /// When.
        at: Timestamp,
        /// What was reported, or concluded from what the executor saw.
        report: Report,
    },
}

impl AttemptState {
    /// The outcome, once settled.
    pub fn outcome(&self) -> Option<&Outcome> {
        match self {
            AttemptState::Settled { report, .. } => Some(&report.outcome),
            AttemptState::Planned | AttemptState::Pending { .. } | AttemptState::Running { .. } => None,
        }
    }
}

/// A step in a build's life, as the engine decides it and the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum Change {
    /// A new attempt: written before the executor is asked.
    Planned {
        /// The attempt; its number is one above the last.
        attempt: AttemptId,
        /// Where it goes and why.
        route: Route,
        /// When.
        at: Timestamp,
    },
    /// The executor has the attempt.
    Accepted {
        /// The attempt.
        attempt: AttemptId,
        /// On which host.
        host: Option<HostName>,
        /// When.
        at: Timestamp,
    },
    /// The attempt's runner runs.
    Running {
        /// The attempt.
        attempt: AttemptId,
        /// When.
        at: Timestamp,
    },
    /// The attempt is over. A success with a deploy makes the build wait for its activation.
    Settled {
        /// The attempt.
        attempt: AttemptId,
        /// How.
        report: Report,
        /// When.
        at: Timestamp,
    },
    /// The build goes back to the backlog after a settled attempt.
    Requeued {
        /// The build.
        build: BuildKey,
        /// Not to start before this time.
        not_before: Timestamp,
        /// When.
        at: Timestamp,
    },
    /// A cancel was asked.
    CancelAsked {
        /// The build.
        build: BuildKey,
        /// By whom.
        reason: CancelReason,
        /// When.
        at: Timestamp,
    },
    /// The build is over without an activation.
    Ended {
        /// The build.
        build: BuildKey,
        /// How: every ending but [`Ending::Deployed`] and [`Ending::Superseded`], which only an activation makes.
        ending: Ending,
        /// When.
        at: Timestamp,
    },
}

impl Change {
    /// The build that it concerns.
    pub fn build(&self) -> &BuildKey {
        match self {
            Change::Planned { attempt, .. }
            | Change::Accepted { attempt, .. }
            | Change::Running { attempt, .. }
            | Change::Settled { attempt, .. } => &attempt.build,
            Change::Requeued { build, .. } | Change::CancelAsked { build, .. } | Change::Ended { build, .. } => build,
        }
    }
}

/// A change that a build's state does not allow. The ledger refuses the whole batch and nothing is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{build}: {problem}")]
pub struct IllegalChange {
    /// The build.
    pub build: BuildKey,
    /// What is wrong.
    pub problem: IllegalChangeKind,
}

/// What is wrong with a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IllegalChangeKind {
    /// The ledger does not know the build, or the record is another build's.
    #[error("the ledger does not know this build")]
    UnknownBuild,
    /// The build is over.
    #[error("the build is over")]
    BuildEnded,
    /// The change concerns an attempt that is not the live one: its fence is stale.
    #[error("the attempt is not the live one")]
    StaleAttempt,
    /// The attempt's number is not one above the last, or another attempt lives.
    #[error("a new attempt needs a queued build and the next number")]
    NotNext,
    /// The attempt would move back.
    #[error("an attempt never moves back")]
    Backwards,
    /// Only an activation ends a build like this.
    #[error("only an activation makes a build deployed or superseded")]
    NeedsActivation,
    /// The build's last attempt is not settled in a way that allows this.
    #[error("the build is not in a state that allows this")]
    WrongState,
}

impl BuildRecord {
    /// A build that was just admitted.
    pub fn admitted(build: Build, place: Place, rank: Rank, at: Timestamp) -> Self {
        let state = BuildState::Queued { since: at, not_before: at };
        BuildRecord { build, place, rank, admitted_at: at, cancel_asked: None, attempts: Vec::new(), state }
    }

    /// The key.
    pub fn key(&self) -> BuildKey {
        self.build.key()
    }

    /// The deploy of a build whose activation was decided: visible, or superseded by a newer one.
    pub fn deploy(&self) -> Option<&DeployInfo> {
        match &self.state {
            BuildState::Ended { ending: Ending::Deployed { deploy } | Ending::Superseded { deploy, .. }, .. } => {
                Some(deploy)
            }
            _ => None,
        }
    }

    /// The attempt that lives, with its record: the last one, as long as it is not settled.
    pub fn live_attempt(&self) -> Option<&AttemptRecord> {
        self.attempts.last().filter(|last| last.state.outcome().is_none())
    }

    /// Applies a change.
    ///
    /// # Errors
    /// [`IllegalChange`] when the state does not allow it, or when it concerns another build, as far as an equal id of
    /// another tenant; the record is then as before.
    pub fn apply(&mut self, change: &Change) -> Result<(), IllegalChange> {
        let is_own = *change.build() == self.key();
        let applied = if is_own { self.try_apply(change) } else { Err(IllegalChangeKind::UnknownBuild) };
        applied.map_err(|problem| IllegalChange { build: change.build().clone(), problem })
    }

    fn try_apply(&mut self, change: &Change) -> Result<(), IllegalChangeKind> {
        if matches!(self.state, BuildState::Ended { .. }) {
            return Err(IllegalChangeKind::BuildEnded);
        }
        match change {
            Change::Planned { attempt, route, at } => self.plan(attempt.number, route, *at),
            Change::Accepted { attempt, host, at } => {
                let live = self.live(attempt.number)?;
                match live.state {
                    AttemptState::Planned => live.state = AttemptState::Pending { since: *at },
                    _ => return Err(IllegalChangeKind::Backwards),
                }
                live.host.clone_from(host);
                Ok(())
            }
            Change::Running { attempt, at } => {
                let live = self.live(attempt.number)?;
                match live.state {
                    AttemptState::Planned | AttemptState::Pending { .. } => {
                        live.state = AttemptState::Running { since: *at };
                        Ok(())
                    }
                    AttemptState::Running { .. } | AttemptState::Settled { .. } => Err(IllegalChangeKind::Backwards),
                }
            }
            Change::Settled { attempt, report, at } => self.settle(attempt.number, report, *at),
            Change::Requeued { not_before, at, .. } => {
                self.settled_without_success()?;
                self.state = BuildState::Queued { since: *at, not_before: *not_before };
                Ok(())
            }
            Change::CancelAsked { reason, at, .. } => {
                self.cancel_asked.get_or_insert((*reason, *at));
                Ok(())
            }
            Change::Ended { ending, at, .. } => self.end(ending, *at),
        }
    }

    fn plan(&mut self, number: AttemptNumber, route: &Route, at: Timestamp) -> Result<(), IllegalChangeKind> {
        let next = self.attempts.last().map_or(AttemptNumber::FIRST, |last| last.number.next());
        if !matches!(self.state, BuildState::Queued { .. }) || number != next {
            return Err(IllegalChangeKind::NotNext);
        }
        let state = AttemptState::Planned;
        self.attempts.push(AttemptRecord { number, route: route.clone(), planned_at: at, host: None, state });
        self.state = BuildState::Live { attempt: number };
        Ok(())
    }

    fn settle(&mut self, number: AttemptNumber, report: &Report, at: Timestamp) -> Result<(), IllegalChangeKind> {
        let live = self.live(number)?;
        if matches!(live.state, AttemptState::Settled { .. }) {
            return Err(IllegalChangeKind::Backwards);
        }
        live.state = AttemptState::Settled { at, report: report.clone() };
        if let Outcome::Succeeded { deploy: Some(deploy) } = &report.outcome {
            self.state = BuildState::Activating { attempt: number, deploy: deploy.clone() };
        }
        Ok(())
    }

    fn end(&mut self, ending: &Ending, at: Timestamp) -> Result<(), IllegalChangeKind> {
        match ending {
            Ending::Deployed { .. } | Ending::Superseded { .. } => return Err(IllegalChangeKind::NeedsActivation),
            Ending::Passed => match self.attempts.last().and_then(|last| last.state.outcome()) {
                Some(Outcome::Succeeded { deploy: None }) => {}
                _ => return Err(IllegalChangeKind::WrongState),
            },
            Ending::Failed { .. } | Ending::Cancelled { .. } => {
                if self.live_attempt().is_some() {
                    return Err(IllegalChangeKind::WrongState);
                }
            }
        }
        self.state = BuildState::Ended { ending: ending.clone(), at };
        Ok(())
    }

    /// Ends a build whose deploy is waiting, as the ledger's activation decided: visible, or superseded by a newer one.
    ///
    /// # Errors
    /// [`IllegalChange`] when no deploy of that attempt waits.
    pub fn activated(
        &mut self,
        number: AttemptNumber,
        newer: Option<Rank>,
        at: Timestamp,
    ) -> Result<(), IllegalChange> {
        let problem = match &self.state {
            BuildState::Activating { attempt, deploy } if *attempt == number => {
                let deploy = deploy.clone();
                let ending = match newer {
                    Some(by) => Ending::Superseded { deploy, by },
                    None => Ending::Deployed { deploy },
                };
                self.state = BuildState::Ended { ending, at };
                return Ok(());
            }
            BuildState::Activating { .. } => IllegalChangeKind::StaleAttempt,
            BuildState::Ended { .. } => IllegalChangeKind::BuildEnded,
            BuildState::Queued { .. } | BuildState::Live { .. } => IllegalChangeKind::WrongState,
        };
        Err(IllegalChange { build: self.key(), problem })
    }

    fn live(&mut self, number: AttemptNumber) -> Result<&mut AttemptRecord, IllegalChangeKind> {
        match &self.state {
            BuildState::Live { attempt } if *attempt == number => {
                self.attempts.last_mut().ok_or(IllegalChangeKind::StaleAttempt)
            }
            _ => Err(IllegalChangeKind::StaleAttempt),
        }
    }

    fn settled_without_success(&self) -> Result<(), IllegalChangeKind> {
        let last = self.attempts.last().and_then(|last| last.state.outcome());
        match (&self.state, last) {
            (BuildState::Live { .. }, Some(Outcome::Failed(_) | Outcome::Cancelled)) => Ok(()),
            _ => Err(IllegalChangeKind::WrongState),
        }
    }
}

/// The failure of a build that waited too long, or of an attempt whose end cannot be known.
impl From<Cause> for Ending {
    fn from(cause: Cause) -> Self {
        Ending::Failed { failure: Failure::new(cause, "") }
    }
}
