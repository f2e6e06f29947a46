//! Carrying out the engine's actions: each is one call, with a deadline, whose answer goes back in as an input.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::config::{SchedulerConfig, SchedulerPorts};
use super::lease::HeldLease;
use super::logs;
use crate::engine::{Action, Input, StartAnswer};
use crate::model::{
    AttemptId, Build, BuildState, CacheScope, Cause, ExecutorName, Failure, GatewayAccess, GatewayClaim, GatewayKey,
    HostName, Job, JobRules, NameKey, Trust,
};
use crate::port::{Executor, LedgerError, SecretsError, StartRequest};

/// What a call came to.
#[derive(Debug)]
pub(super) enum Answer {
    /// Something for the engine.
    Input(Box<Input>),
    /// Nothing to tell; where it failed, the next comparison finds what is left to do.
    Nothing,
    /// A removal is over, well or not.
    Cleared(AttemptId),
    /// An executor's list was asked for and came, or not.
    Listed(ExecutorName, Option<Box<Input>>),
    /// This scheduler must not go on.
    StepDown(&'static str),
}

/// The command's secrets, and the fetch's.
type ResolvedSecrets = (BTreeMap<String, SecretString>, Option<SecretString>);

fn unresolved(error: SecretsError) -> StartAnswer {
    match error {
        SecretsError::Missing(name) => {
            let evidence = format!("the secret {:?} does not exist", name.0);
            StartAnswer::Refused(Failure::new(Cause::SecretMissing, evidence))
        }
        SecretsError::Unavailable(_) => StartAnswer::Unavailable,
    }
}

/// What every call needs: shared by all of them, never changed.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) ports: SchedulerPorts,
    pub(super) config: SchedulerConfig,
    pub(super) lease: HeldLease,
    pub(super) names: NameKey,
    pub(super) tokens: GatewayKey,
}

impl Caller {
    /// Carries out an action, unless the lease is over.
    pub(super) async fn carry_out(self: Arc<Self>, action: Action) -> Answer {
        if !self.lease.holds() {
            return Answer::StepDown("the leader lease is over");
        }
        match action {
            Action::Start { attempt, executor, build, avoid } => {
                let answer = self.start(&attempt, &executor, build, avoid).await;
                Answer::Input(Box::new(Input::StartAnswered { attempt, answer }))
            }
            Action::Cancel { attempt, executor, grace } => self.cancel(&attempt, &executor, grace).await,
            Action::Remove { attempt, executor } => self.remove(&attempt, &executor).await,
            Action::Reap { attempt, executor, ended } => self.reap(&attempt, &executor, ended).await,
            Action::Activate { attempt } => self.activate(attempt).await,
            Action::StepDown => Answer::StepDown("an executor knows a later attempt than this ledger"),
        }
    }

    /// Carries out an action that removes an attempt.
    pub(super) async fn clear(self: Arc<Self>, attempt: AttemptId, action: Action) -> Answer {
        match self.carry_out(action).await {
            Answer::StepDown(why) => Answer::StepDown(why),
            _ => Answer::Cleared(attempt),
        }
    }

    /// Lists what an executor runs.
    pub(super) async fn list(self: Arc<Self>, executor: ExecutorName, asked_at_step: u64) -> Answer {
        let Some(port) = self.executor(&executor) else { return Answer::Nothing };
        let input = match tokio::time::timeout(self.config.call_deadline, port.list()).await {
            Ok(Ok(listing)) => Some(Box::new(Input::Listed { executor: executor.clone(), asked_at_step, listing })),
            Ok(Err(error)) => {
                tracing::warn!(%executor, error = &error as &dyn std::error::Error, "the executor gives no list");
                None
            }
            Err(_) => {
                tracing::warn!(%executor, "the executor gives no list in time");
                None
            }
        };
        Answer::Listed(executor, input)
    }

    fn executor(&self, name: &ExecutorName) -> Option<&Arc<dyn Executor>> {
        self.ports.executors.get(name)
    }

    async fn start(
        &self,
        attempt: &AttemptId,
        executor: &ExecutorName,
        build: Arc<Build>,
        avoid: Vec<HostName>,
    ) -> StartAnswer {
        let Some(port) = self.executor(executor) else { return StartAnswer::Unavailable };
        let request = async {
            let job = self.job(attempt, &build).await?;
            let request = StartRequest { name: self.names.name(&attempt.build), build, job, avoid };
            // The secrets took their time: the lease is looked at once more before anything is started.
            if !self.lease.holds() {
                return Err(StartAnswer::Unavailable);
            }
            let answer = port.start(&request).await;
            if let Err(error) = &answer {
                tracing::info!(%attempt, error = error as &dyn std::error::Error, "the attempt was not started");
            }
            Ok(StartAnswer::of(attempt, answer))
        };
        match tokio::time::timeout(self.config.call_deadline, request).await {
            Ok(Ok(answer) | Err(answer)) => answer,
            Err(_) => StartAnswer::Unknown,
        }
    }

    async fn secrets(&self, build: &Build) -> Result<ResolvedSecrets, SecretsError> {
        let secrets = self.ports.secrets.resolve(build).await?;
        let credential = match &build.spec.credential {
            Some(reference) => Some(self.ports.secrets.credential(build, reference).await?),
            None => None,
        };
        Ok((secrets, credential))
    }

    /// The job of an attempt. Secrets are resolved here and nowhere earlier, and only for trusted builds.
    async fn job(&self, attempt: &AttemptId, build: &Build) -> Result<Job, StartAnswer> {
        let (secrets, credential) = match build.trust {
            Trust::Untrusted => (BTreeMap::new(), None),
            Trust::Trusted => self.secrets(build).await.map_err(unresolved)?,
        };
        let rules = JobRules {
            lease: self.config.engine.lease,
            grace: self.config.engine.grace,
            run: build.spec.limits.run,
            ..self.config.rules.clone()
        };
        let claim = GatewayClaim { attempt: attempt.clone(), scope: CacheScope::of(build) };
        Ok(Job {
            attempt: attempt.clone(),
            source: build.source.clone(),
            command: build.spec.command.clone(),
            publish: build.spec.publish.clone(),
            env: build.spec.env.clone(),
            secrets,
            credential,
            caches: build.spec.caches.clone(),
            image: build.spec.image.clone(),
            user: None,
            gateway: GatewayAccess { url: self.config.gateway_url.clone(), token: self.tokens.token(&claim) },
            rules,
        })
    }

    async fn cancel(&self, attempt: &AttemptId, executor: &ExecutorName, grace: Duration) -> Answer {
        let Some(port) = self.executor(executor) else { return Answer::Nothing };
        // The engine asks again until it sees the end, so an error needs no other care than a line in the log.
        match tokio::time::timeout(self.config.call_deadline, port.cancel(attempt, grace)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%attempt, error = &error as &dyn std::error::Error, "cancel failed"),
            Err(_) => tracing::warn!(%attempt, "cancel was not answered in time"),
        }
        Answer::Nothing
    }

    async fn remove(&self, attempt: &AttemptId, executor: &ExecutorName) -> Answer {
        let Some(port) = self.executor(executor) else { return Answer::Nothing };
        let work = async {
            logs::flush(port.as_ref(), self.ports.logs.as_ref(), attempt, self.config.rules.log_bytes).await?;
            port.remove(attempt).await.map_err(logs::FlushError::Executor)
        };
        // What could not be removed is listed again and reaped.
        match tokio::time::timeout(self.config.call_deadline, work).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%attempt, error = &error as &dyn std::error::Error, "not removed yet"),
            Err(_) => tracing::debug!(%attempt, "not removed in time"),
        }
        Answer::Nothing
    }

    /// Ends and removes what the ledger knows as settled. What it does not know is not ours.
    async fn reap(&self, attempt: &AttemptId, executor: &ExecutorName, ended: bool) -> Answer {
        let asked = self.ports.ledger.build(&attempt.build);
        let Ok(Ok(Some(record))) = tokio::time::timeout(self.config.call_deadline, asked).await else {
            return Answer::Nothing;
        };
        let settled = record.attempts.iter().find(|known| known.number == attempt.number);
        let over = settled.is_some_and(|known| known.state.outcome().is_some())
            || matches!(record.state, BuildState::Ended { .. });
        match (over, ended) {
            (false, _) => Answer::Nothing,
            (true, true) => self.remove(attempt, executor).await,
            (true, false) => self.cancel(attempt, executor, self.config.engine.grace).await,
        }
    }

    async fn activate(&self, attempt: AttemptId) -> Answer {
        let asked = self.ports.ledger.activate(self.lease.epoch, &attempt);
        let answer = match tokio::time::timeout(self.config.call_deadline, asked).await {
            Ok(Ok(activation)) => Some(activation),
            Ok(Err(LedgerError::Fenced { .. })) => return Answer::StepDown("another scheduler leads"),
            Ok(Err(LedgerError::Illegal(illegal))) => {
                tracing::error!(%illegal, "the ledger refused an activation");
                return Answer::StepDown("engine and ledger disagree about an activation");
            }
            Ok(Err(error)) => {
                tracing::warn!(%attempt, error = &error as &dyn std::error::Error, "not activated yet");
                None
            }
            Err(_) => None,
        };
        Answer::Input(Box::new(Input::Activated { attempt, answer }))
    }
}
