//! The start of an attempt: the name decides, then the fence, then placement.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use netbuild_core::model::{AttemptFolder, AttemptMark, Cause, Failure, HostName, Outcome, Report};
use netbuild_core::port::{ExecutorEvent, StartError, StartRequest, Started};
use secrecy::ExposeSecret;
use tokio::time::timeout;

use super::archive::{PackedFile, pack};
use super::daemon::DaemonError;
use super::fleet::Fleet;
use super::labels::Labels;
use super::member::{Container, Member, absent};
use super::place::{Placement, Wanted, place};
use super::spec::{self, EMPTY_IMAGE, FOLDER, RUNNER, RUNNER_FOLDER};
use crate::fence::{StartDecision, decide_start};
use crate::verdict::Verdict;

/// How often a start looks again at what is there before it gives up: somebody else is at the name.
const TURNS: usize = 5;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Nobody is there for it, or too many are.
#[derive(Debug, thiserror::Error)]
enum NoHost {
    #[error("no host of the fleet answers: {0}")]
    NoneAnswers(Placement),
    #[error("{0} was not listed since this executor was opened: it may run the build")]
    NotListed(HostName),
    #[error("somebody else is at the container of the build")]
    Contended,
    #[error("{0} does not answer, and may have the container of the attempt")]
    Silent(HostName),
}

fn unavailable(error: NoHost) -> StartError {
    StartError::Unavailable(error.into())
}

impl Fleet {
    /// Starts an attempt, or finds it.
    pub(super) async fn start(self: &Arc<Self>, request: &StartRequest) -> Result<Started, StartError> {
        let _turn = self.turns.lock(&request.name).await;
        for _ in 0..TURNS {
            if let Some(started) = self.meet_pull(request)? {
                return Ok(started);
            }
            let turn = match self.look_for(request).await? {
                None => self.place_and_create(request).await?,
                Some((member, container)) => self.meet(request, &member, container).await?,
            };
            match turn {
                Some(started) => return Ok(started),
                None => tokio::time::sleep(PAUSE).await,
            }
        }
        Err(unavailable(NoHost::Contended))
    }

    /// An attempt of the build may wait for its image.
    fn meet_pull(&self, request: &StartRequest) -> Result<Option<Started>, StartError> {
        let Some((attempt, pull)) = self.pulls.by_name(&request.name) else { return Ok(None) };
        let (by, fence) = (attempt.number, request.job.attempt.number);
        match by.cmp(&fence) {
            std::cmp::Ordering::Equal => Ok(Some(Started::Adopted { observed: pull.observed(&attempt) })),
            std::cmp::Ordering::Greater => Err(StartError::Stale { by }),
            std::cmp::Ordering::Less if pull.has_ended() => {
                self.pulls.remove(&attempt);
                Ok(None)
            }
            std::cmp::Ordering::Less => Err(StartError::NameTaken { by }),
        }
    }

    /// Looks for a container of the build's name on all hosts.
    async fn look_for(&self, request: &StartRequest) -> Result<Option<(Arc<Member>, Container)>, StartError> {
        let members = self.members();
        let looks = join_all(members.iter().map(async |member| {
            // One that hangs would hold every start up. What it had when it was last seen is known.
            match member.answers() {
                true => member.look_at(request.name.as_str()).await,
                false if member.was_asked() => Ok(member.by_name(&request.name)),
                false => member.look().await.map(|_| member.by_name(&request.name)),
            }
        }))
        .await;
        let mut found: Option<(Arc<Member>, Container)> = None;
        for (member, look) in members.into_iter().zip(looks) {
            match look {
                Ok(Some(container)) => {
                    let number = |container: &Container| container.labels.attempt.number;
                    if found.as_ref().is_none_or(|(_, other)| number(&container) > number(other)) {
                        found = Some((member, container));
                    }
                }
                Ok(None) if let Some(asked) = member.may_have(&request.name, request.job.attempt.number) => {
                    return Err(self.silent(&member, asked));
                }
                Ok(None) if member.is_known() || self.is_settled() => {}
                Ok(None) => return Err(unavailable(NoHost::NotListed(member.name.clone()))),
                Err(error) => {
                    tracing::warn!(host = %member.name, %error, "a host does not answer");
                    member.lose();
                    // What is known of it counts when the caller asks again.
                    return Err(unavailable_daemon(error));
                }
            }
        }
        Ok(found)
    }

    /// What is to be said of an attempt that a host was asked for, and that was never seen to run. A runner that was
    /// started too late does not begin, and one that did begin has told the gateway, or stopped for want of a lease: nobody
    /// would ask for it.
    fn silent(&self, member: &Member, silent_for: Duration) -> StartError {
        if silent_for <= self.options.forget_after {
            return StartError::Unknown(NoHost::Silent(member.name.clone()).into());
        }
        let text = format!("{} has not answered since it was asked to start the attempt", member.name);
        StartError::refused(Cause::HostLost, text)
    }

    /// There is a container of the build.
    async fn meet(
        self: &Arc<Self>,
        request: &StartRequest,
        member: &Arc<Member>,
        container: Container,
    ) -> Result<Option<Started>, StartError> {
        let (held, fence) = (container.labels.attempt.number, request.job.attempt.number);
        let decision = decide_start(held, &container.verdict, fence);
        if !member.answers() && decision != StartDecision::Stale {
            if held < fence {
                // Whoever asks knows that the earlier attempt has fenced itself; see the module.
                return self.place_and_create(request).await;
            }
            return Err(match container.verdict {
                // It was never seen to run.
                Verdict::NotStarted | Verdict::Pending => self.silent(member, member.silent_for()),
                _ => StartError::Unknown(NoHost::Silent(member.name.clone()).into()),
            });
        }
        match decision {
            StartDecision::Spawn => {
                self.deliver(request, member, &container.id).await?;
                Ok(Some(Started::Created { host: Some(member.name.clone()) }))
            }
            StartDecision::Adopt => Ok(Some(Started::Adopted { observed: container.observed(&member.name) })),
            StartDecision::Replace => {
                absent(member.daemon.remove(&container.id).await).map_err(unknown)?;
                member.look_at(request.name.as_str()).await.map_err(unknown)?;
                Ok(None)
            }
            StartDecision::Wait => Ok(None),
            StartDecision::NameTaken => Err(StartError::NameTaken { by: held }),
            StartDecision::Stale => Err(StartError::Stale { by: held }),
        }
    }

    async fn place_and_create(self: &Arc<Self>, request: &StartRequest) -> Result<Option<Started>, StartError> {
        let image = spec::image(request, &self.options).map_err(StartError::Refused)?;
        let labels = Labels { attempt: request.job.attempt.clone(), reserved: spec::reserved(request, &self.options) };
        let wanted = Wanted {
            account: labels.attempt.build.account.clone(),
            memory_bytes: labels.reserved.memory_bytes,
            cpu_millis: labels.reserved.cpu_millis,
            labels: Default::default(),
            avoid: request.avoid.clone(),
        };
        let members = self.members();
        join_all(members.iter().filter(|member| member.answers()).map(async |member| {
            // Without an answer it counts as a host without the image; whoever goes there all the same hears why.
            if let Err(error) = member.look_for_image(&image).await {
                tracing::warn!(host = %member.name, %error, "an image cannot be looked for");
            }
        }))
        .await;
        let candidates = self.candidates(&labels, |member| member.has_image(&image));
        let placement = place(&wanted, &candidates, self.options.strategy, self.options.weights);
        tracing::debug!(attempt = %labels.attempt, %placement, "placed");
        let Some(member) = placement.host.as_ref().and_then(|host| self.member(host)) else {
            return Err(match placement.could_fit {
                _ if candidates.is_empty() => unavailable(NoHost::NoneAnswers(placement)),
                true => StartError::Full,
                false => StartError::refused(Cause::NeverFits, format!("no host can hold the build: {placement}")),
            });
        };
        // Nothing is awaited between the choice and this, so that no other start takes the same room.
        let reservation = member.reserve(&request.name, &labels.attempt, labels.reserved);
        let host = Some(member.name.clone());
        if member.has_image(&image) {
            let created = self.create(request, &member, &image).await?;
            return Ok(created.then_some(Started::Created { host }));
        }
        let stop = self.pulls.begin(&labels.attempt, &request.name, &member.name);
        let (fleet, request) = (Arc::clone(self), request.clone());
        self.tasks.spawn(async move {
            let _reserved = reservation;
            let pulled = stop.run_until_cancelled(fleet.pull_and_create(&request, &member, &image)).await;
            let phase = match pulled {
                Some(Ok(())) => return fleet.pulls.remove(&request.job.attempt),
                Some(Err(failure)) => Report::of(Outcome::Failed(failure)),
                None => Report::of(Outcome::Cancelled),
            };
            if let Some(observed) = fleet.pulls.end(&request.job.attempt, phase) {
                fleet.tell(ExecutorEvent::Observed(observed));
            }
        });
        Ok(Some(Started::Created { host }))
    }

    /// Pulls the image to a host, and creates the container there.
    async fn pull_and_create(&self, request: &StartRequest, member: &Arc<Member>, image: &str) -> Result<(), Failure> {
        let begun = self.clock.monotonic();
        let pull = timeout(request.build.spec.limits.pending, member.daemon.pull(image)).await;
        let failed = |cause, text: String| Err(Failure::new(cause, format!("the image {image}: {text}")));
        match pull {
            Ok(Ok(())) => {}
            Ok(Err(DaemonError::Refused { status: 400 | 404, message })) => {
                return failed(Cause::ImageInvalid, message);
            }
            Ok(Err(error)) => return failed(Cause::ImagePullFailed, words(&error)),
            Err(_) => {
                return failed(Cause::ImagePullFailed, "it did not come within the build's pending limit".to_owned());
            }
        }
        self.pulls.took(self.clock.monotonic().saturating_sub(begun));
        member.set_has_image(image);
        let _turn = self.turns.lock(&request.name).await;
        match self.create(request, member, image).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                failed(Cause::ExecutorRefused, "meanwhile another attempt of the build took its name".to_owned())
            }
            Err(StartError::Refused(failure)) => Err(failure),
            Err(error) => Err(Failure::new(Cause::HostLost, words(&error))),
        }
    }

    /// Creates and starts the container; `false` if its name is taken.
    async fn create(&self, request: &StartRequest, member: &Arc<Member>, image: &str) -> Result<bool, StartError> {
        self.bring_runner(member).await?;
        let body = spec::attempt(request, image, &self.runner_volume, &self.options);
        // Should this call be dropped, or have no answer, the container may be there.
        member.expect(&request.name, request.job.attempt.number);
        let created = member.daemon.create(Some(request.name.as_str()), body).await;
        if !matches!(created, Err(DaemonError::Late(_) | DaemonError::Broken(_))) {
            member.expect_no_more(&request.name);
        }
        let created = match created {
            Ok(id) => id,
            Err(error) if error.is_conflict() => return Ok(false),
            Err(error) if error.is_absent() => {
                member.set_lacks_image(image);
                return Ok(false);
            }
            Err(error) => return Err(from_create(error)),
        };
        self.deliver(request, member, &created).await?;
        Ok(true)
    }

    /// Gives a container that was created its job, and starts it. Asking again is harmless until its runner has begun.
    async fn deliver(&self, request: &StartRequest, member: &Member, container: &str) -> Result<(), StartError> {
        let now = self.clock.now();
        let mark = AttemptMark {
            attempt: request.job.attempt.clone(),
            created_at: now,
            start_by: Some(now + self.options.start_within),
        };
        let image = spec::image(request, &self.options).map_err(StartError::Refused)?;
        let mark = serde_json::to_vec(&mark).expect("plain structs are always JSON");
        let job = spec::job(request, &image, &self.options).to_wire();
        let files = [
            PackedFile { name: AttemptFolder::ATTEMPT, mode: 0o600, bytes: &mark },
            PackedFile { name: AttemptFolder::JOB, mode: 0o600, bytes: job.expose_secret().as_bytes() },
        ];
        let archive = pack(&files).map_err(|error| StartError::Unavailable(error.into()))?;
        let delivered = async {
            member.daemon.upload(container, FOLDER, archive).await?;
            member.daemon.start(container).await
        };
        match delivered.await {
            Ok(()) => {
                let container = member.look_at(request.name.as_str()).await.map_err(unknown)?;
                if let Some(container) = container {
                    self.tell(ExecutorEvent::Observed(container.observed(&member.name)));
                }
                Ok(())
            }
            Err(DaemonError::Refused { status, message }) => {
                // What cannot run must not keep the name.
                absent(member.daemon.remove(container).await).map_err(unknown)?;
                Err(refused(status, &message))
            }
            Err(error) => Err(unknown(error)),
        }
    }

    /// Brings the runner to a host, once.
    async fn bring_runner(&self, member: &Member) -> Result<(), StartError> {
        let _turn = member.runner_turn().await;
        if member.has_runner() {
            return Ok(());
        }
        let bring = async {
            let daemon = &member.daemon;
            if !daemon.has_image(EMPTY_IMAGE).await? {
                daemon.import_empty(EMPTY_IMAGE).await?;
            }
            daemon.make_volume(&self.runner_volume, super::labels::helper(&self.options.label)).await?;
            let carrier = daemon.create(None, spec::carrier(&self.runner_volume, &self.options)).await?;
            let file = PackedFile { name: RUNNER, mode: 0o755, bytes: &self.runner };
            let archive = pack(&[file]).map_err(|error| DaemonError::Broken(error.into()))?;
            let uploaded = daemon.upload(&carrier, RUNNER_FOLDER, archive).await;
            daemon.remove(&carrier).await?;
            uploaded
        };
        bring.await.map_err(unavailable_daemon)?;
        member.set_has_runner(true);
        Ok(())
    }
}

/// Nothing of the attempt was asked for yet.
fn unavailable_daemon(error: DaemonError) -> StartError {
    StartError::Unavailable(error.into())
}

fn unknown(error: DaemonError) -> StartError {
    match error {
        DaemonError::Unreached(_) | DaemonError::Refused { .. } => StartError::Unavailable(error.into()),
        DaemonError::Late(_) | DaemonError::Broken(_) => StartError::Unknown(error.into()),
    }
}

fn from_create(error: DaemonError) -> StartError {
    match error {
        DaemonError::Refused { status, message } => refused(status, &message),
        error => unknown(error),
    }
}

/// What a daemon's refusal to create or start a container says. The daemon tells most of it in words alone.
fn refused(status: u16, message: &str) -> StartError {
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    let cause = match status {
        _ if says(&["no space left on device", "disk quota exceeded"]) => Cause::HostDisk,
        404 if says(&["No such image"]) => Cause::ImageInvalid,
        400 => Cause::SpecInvalid,
        _ => Cause::RunnerBroken,
    };
    StartError::refused(cause, format!("the Docker daemon refused with status {status}: {message}"))
}

/// An error with what caused it.
fn words(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words += &format!(": {cause}");
        source = cause.source();
    }
    words
}
