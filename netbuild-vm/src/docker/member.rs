//! A host of the fleet: its daemon, and what was last seen there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bollard::models::{ContainerState, ContainerStateStatusEnum, ContainerSummary, ContainerSummaryStateEnum};
use netbuild_core::model::{
    AttemptFolder, AttemptId, AttemptNumber, BuildName, ExitRecord, HostName, Report, Timestamp,
};
use netbuild_core::port::{Clock, Observed, Phase};

use super::daemon::{Daemon, DaemonError};
use super::health::{Health, HealthRules, HealthState, Probe};
use super::host::{Capacity, DockerHost};
use super::judge::{ContainerFacts, State, judge};
use super::labels::Labels;
use super::options::DockerOptions;
use super::spec::FOLDER;
use crate::escalation::{Ask, Escalation, escalate};
use crate::verdict::{ExitFact, Verdict};

/// The longest exit record: the runner writes 64 KiB at most.
const MAX_RECORD_BYTES: usize = 64 << 10;

const END_OF_TIME: Timestamp = Timestamp::from_millis(u64::MAX);

/// A host of the fleet.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: HostName,
    pub(super) daemon: Daemon,
    clock: Arc<dyn Clock>,
    rules: HealthRules,
    seen: Mutex<Seen>,
    runner_turn: tokio::sync::Mutex<()>,
}

/// What was last seen of a host, and what this executor does there.
#[derive(Debug)]
struct Seen {
    host: DockerHost,
    /// What the daemon says the machine has.
    machine: Option<Capacity>,
    /// The containers of the last complete list; `None` before the first.
    containers: Option<BTreeMap<String, Container>>,
    health: Health,
    /// Whether the daemon answered when it was last asked; `None` before the first answer or failure.
    answers: Option<bool>,
    /// From when to when the daemon last did not answer; to the end of time as long as it does not. Containers that ended
    /// then may have been ended by a restart of the daemon.
    gap: Option<(Timestamp, Timestamp)>,
    /// What starts that are underway reserve, by name.
    starting: BTreeMap<BuildName, (AttemptId, Capacity)>,
    /// Builds for which a container was asked for without an answer, each with the time on the monotonic clock.
    maybe: BTreeMap<BuildName, (AttemptNumber, Duration)>,
    /// Ends that were judged, by the container's id: they never change.
    ends: BTreeMap<String, Report>,
    /// How far the cancels that were asked have gone.
    cancels: BTreeMap<AttemptId, Escalation>,
    has_runner: bool,
    /// Images that were seen there; of others, when they were last looked for in vain, on the monotonic clock.
    images: BTreeMap<String, Option<Duration>>,
}

/// An attempt's container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) labels: Labels,
    pub(super) verdict: Verdict,
    made_at: Timestamp,
}

impl Container {
    pub(super) fn observed(&self, host: &HostName) -> Observed {
        let Container { labels, verdict, made_at, .. } = self;
        Observed { attempt: labels.attempt.clone(), host: Some(host.clone()), phase: verdict.phase(*made_at) }
    }

    fn has_ended(&self) -> bool {
        matches!(self.verdict, Verdict::Ended(_))
    }
}

impl Member {
    pub(super) fn new(host: DockerHost, options: &DockerOptions, clock: Arc<dyn Clock>) -> Self {
        Member {
            name: host.name.clone(),
            daemon: Daemon::new(host.endpoint.clone(), options),
            rules: options.health,
            clock,
            seen: Mutex::new(Seen {
                host,
                machine: None,
                containers: None,
                health: Health::new(),
                answers: None,
                gap: None,
                starting: BTreeMap::new(),
                maybe: BTreeMap::new(),
                ends: BTreeMap::new(),
                cancels: BTreeMap::new(),
                has_runner: false,
                images: BTreeMap::new(),
            }),
            runner_turn: tokio::sync::Mutex::new(()),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn host(&self) -> DockerHost {
        self.seen().host.clone()
    }

    pub(super) fn set_host(&self, host: DockerHost) {
        self.seen().host = host;
    }

    /// Whether the daemon answered when it was last asked.
    pub(super) fn answers(&self) -> bool {
        self.seen().answers == Some(true)
    }

    /// Whether it is known by now whether the daemon answers.
    pub(super) fn was_asked(&self) -> bool {
        self.seen().answers.is_some()
    }

    /// How it does, and the time within which nearly all probes were answered.
    pub(super) fn health(&self) -> (HealthState, Option<Duration>) {
        let seen = self.seen();
        (seen.health.state(), seen.health.p95())
    }

    /// Whether its containers were listed since this executor was opened.
    pub(super) fn is_known(&self) -> bool {
        self.seen().containers.is_some()
    }

    /// Asks for everything there, and answers all that was seen.
    pub(super) async fn look(&self) -> Result<Vec<Observed>, DaemonError> {
        let asked_for = self.seen().maybe.clone();
        let looked = self.list().await;
        let mut seen = self.seen();
        match looked {
            Ok((machine, containers, probe)) => {
                let ids: BTreeSet<&String> = containers.values().map(|container| &container.id).collect();
                seen.ends.retain(|id, _| ids.contains(id));
                let attempts: BTreeSet<&AttemptId> =
                    containers.values().map(|container| &container.labels.attempt).collect();
                seen.cancels.retain(|attempt, _| attempts.contains(attempt));
                self.probed(&mut seen, Probe::Answered(probe));
                seen.regain(self.clock.now());
                // What was asked for before the list is in it, or is not there.
                seen.maybe.retain(|name, number| asked_for.get(name) != Some(number));
                seen.machine = machine.or(seen.machine);
                let observed = containers.values().map(|container| container.observed(&self.name)).collect();
                seen.containers = Some(containers);
                Ok(observed)
            }
            Err(error) => {
                self.probed(&mut seen, Probe::Silent);
                seen.lose(self.clock.now());
                Err(error)
            }
        }
    }

    fn probed(&self, seen: &mut Seen, probe: Probe) {
        if let Some(before) = seen.health.probed(probe, self.clock.monotonic(), &self.rules) {
            tracing::info!(host = %self.name, ?before, now = ?seen.health.state(), ?probe, "a host's health");
        }
    }

    /// What the machine has, where that was not known, its containers, and how long the daemon took to list them.
    async fn list(&self) -> Result<(Option<Capacity>, BTreeMap<String, Container>, Duration), DaemonError> {
        let machine = match self.seen().machine {
            Some(_) => None,
            None => Some(()),
        };
        let machine = match machine {
            Some(()) => Some(machine_of(&self.daemon.info().await?)),
            None => None,
        };
        let mut containers = BTreeMap::new();
        let asked = self.clock.monotonic();
        let listed = self.daemon.list().await?;
        let probe = self.clock.monotonic().saturating_sub(asked);
        for summary in listed {
            // What was removed between the list and the look is gone.
            if let Some((name, container)) = absent(self.read(summary).await)?.flatten() {
                containers.insert(name, container);
            }
        }
        Ok((machine, containers, probe))
    }

    async fn read(&self, summary: ContainerSummary) -> Result<Option<(String, Container)>, DaemonError> {
        let ContainerSummary { id: Some(id), names: Some(names), labels: Some(labels), state, created, .. } = summary
        else {
            return Ok(None);
        };
        let name = names.iter().find_map(|name| name.strip_prefix('/')).map(str::to_owned);
        let (Some(name), Some(labels)) = (name, Labels::read(&labels)) else { return Ok(None) };
        let made_at = Timestamp::from_millis(u64::try_from(created.unwrap_or(0)).unwrap_or(0).saturating_mul(1_000));
        let verdict = match state {
            Some(ContainerSummaryStateEnum::CREATED) => {
                self.judge(&labels.attempt, State::Created, ExitFact::Absent, 0)
            }
            Some(ContainerSummaryStateEnum::EXITED | ContainerSummaryStateEnum::DEAD) => {
                self.end_of(&id, &labels.attempt).await?
            }
            Some(ContainerSummaryStateEnum::REMOVING) => {
                self.judge(&labels.attempt, State::Removing, ExitFact::Absent, 0)
            }
            _ => Verdict::Running { since: made_at },
        };
        Ok(Some((name, Container { id, labels, verdict, made_at })))
    }

    /// Looks at one container, by name or id.
    pub(super) async fn look_at(&self, name: &str) -> Result<Option<Container>, DaemonError> {
        let Some(found) = absent(self.daemon.inspect(name).await)? else {
            self.forget(name);
            return Ok(None);
        };
        let labels = found.config.as_ref().and_then(|config| config.labels.as_ref()).and_then(Labels::read);
        let (Some(id), Some(labels), Some(state)) = (found.id, labels, found.state) else { return Ok(None) };
        let made_at = time(found.created.as_deref()).unwrap_or(Timestamp::EPOCH);
        let verdict = match state_of(&state, made_at) {
            State::Exited { .. } => match absent(self.end_of(&id, &labels.attempt).await)? {
                Some(verdict) => verdict,
                None => return Ok(None),
            },
            state => self.judge(&labels.attempt, state, ExitFact::Absent, 0),
        };
        let container = Container { id, labels, verdict, made_at };
        let name = found.name.as_deref().and_then(|name| name.strip_prefix('/')).unwrap_or(name);
        self.note(name, container.clone());
        Ok(Some(container))
    }

    /// How a container ended. It is judged once.
    async fn end_of(&self, id: &str, attempt: &AttemptId) -> Result<Verdict, DaemonError> {
        if let Some(report) = self.seen().ends.get(id) {
            return Ok(Verdict::Ended(report.clone()));
        }
        let state = self.daemon.inspect(id).await?.state.unwrap_or_default();
        let file = |name: &str| format!("{FOLDER}/{name}");
        let exit = match absent(self.daemon.read_file(id, &file(AttemptFolder::EXIT), 0, MAX_RECORD_BYTES).await)? {
            None => ExitFact::Absent,
            Some(bytes) => match serde_json::from_slice::<ExitRecord>(&bytes) {
                Ok(record) => ExitFact::of(record, attempt),
                Err(error) => ExitFact::Unreadable(error.to_string()),
            },
        };
        let log = absent(self.daemon.file_length(id, &file(AttemptFolder::LOG)).await)?.unwrap_or(0);
        let ended_at = time(state.finished_at.as_deref());
        let gap = self.seen().gap;
        let restarted = matches!((ended_at, gap), (Some(at), Some((from, until))) if from <= at && at <= until);
        let facts = self.facts(attempt, state_of(&state, Timestamp::EPOCH), exit, log, restarted);
        let verdict = judge(&facts);
        if let Verdict::Ended(report) = &verdict {
            self.seen().ends.insert(id.to_owned(), report.clone());
        }
        Ok(verdict)
    }

    fn judge(&self, attempt: &AttemptId, state: State, exit: ExitFact, log_bytes: u64) -> Verdict {
        judge(&self.facts(attempt, state, exit, log_bytes, false))
    }

    fn facts(
        &self,
        attempt: &AttemptId,
        state: State,
        exit: ExitFact,
        log_bytes: u64,
        daemon_restarted: bool,
    ) -> ContainerFacts {
        let seen = self.seen();
        ContainerFacts {
            attempt: attempt.clone(),
            state,
            exit,
            is_starting: seen.starting.values().any(|(starting, _)| starting == attempt),
            cancel_asked: seen.cancels.contains_key(attempt),
            daemon_restarted,
            log_bytes,
        }
    }

    fn note(&self, name: &str, container: Container) {
        let mut seen = self.seen();
        seen.regain(self.clock.now());
        if let Some(containers) = &mut seen.containers {
            containers.insert(name.to_owned(), container);
        }
    }

    fn forget(&self, name: &str) {
        let mut seen = self.seen();
        seen.regain(self.clock.now());
        if let Some(containers) = &mut seen.containers {
            containers.retain(|known, container| known != name && container.id != name);
        }
    }

    /// The daemon did not answer, or its events broke off.
    pub(super) fn lose(&self) {
        let now = self.clock.now();
        let mut seen = self.seen();
        self.probed(&mut seen, Probe::Silent);
        seen.lose(now);
    }

    /// A container as it was last seen, by the build's name.
    pub(super) fn by_name(&self, name: &BuildName) -> Option<Container> {
        self.seen().containers.as_ref()?.get(name.as_str()).cloned()
    }

    /// A container as it was last seen, by its attempt.
    pub(super) fn by_attempt(&self, attempt: &AttemptId) -> Option<Container> {
        let seen = self.seen();
        seen.containers.as_ref()?.values().find(|container| container.labels.attempt == *attempt).cloned()
    }

    /// Everything that was last seen, as it must be told while the daemon does not answer.
    pub(super) fn unknown(&self) -> Vec<Observed> {
        let seen = self.seen();
        let tell = |container: &Container| match container.has_ended() {
            true => container.observed(&self.name),
            false => Observed { phase: Phase::Unknown, ..container.observed(&self.name) },
        };
        seen.containers.iter().flat_map(BTreeMap::values).map(tell).collect()
    }

    /// A container of this attempt is about to be asked for.
    pub(super) fn expect(&self, name: &BuildName, attempt: AttemptNumber) {
        let now = self.clock.monotonic();
        self.seen().maybe.insert(name.clone(), (attempt, now));
    }

    /// It is there, or certainly not.
    pub(super) fn expect_no_more(&self, name: &BuildName) {
        self.seen().maybe.remove(name);
    }

    /// Whether an attempt may be there although it was not seen, and for how long that is so.
    pub(super) fn may_have(&self, name: &BuildName, attempt: AttemptNumber) -> Option<Duration> {
        let now = self.clock.monotonic();
        let (_, since) = self.seen().maybe.get(name).copied().filter(|(asked, _)| *asked == attempt)?;
        Some(now.saturating_sub(since))
    }

    /// For how long the daemon has not answered; nothing while it does.
    pub(super) fn silent_for(&self) -> Duration {
        let now = self.clock.now();
        let seen = self.seen();
        match seen.gap {
            Some((from, _)) if seen.answers == Some(false) => now.since(from),
            _ => Duration::ZERO,
        }
    }

    /// A cancel is asked, or goes on: what to send now, and how long until the end of the grace. A container that ends from
    /// now on was not ended by somebody else.
    pub(super) fn cancel(&self, attempt: &AttemptId, grace: Duration) -> (Ask, Duration) {
        let now = self.clock.monotonic();
        let mut seen = self.seen();
        let (escalation, ask) = escalate(seen.cancels.get(attempt).copied(), grace, now);
        seen.cancels.insert(attempt.clone(), escalation);
        (ask, escalation.kill_at.saturating_sub(now))
    }

    /// What builds may use, and what they use: those that the daemon reported and have not ended, and those that are being
    /// started. `None` before the daemon was asked.
    pub(super) fn load(&self) -> Option<(Capacity, Capacity, Vec<AttemptId>)> {
        let seen = self.seen();
        let capacity = seen.host.capacity.or(seen.machine)?;
        let running = seen.containers.iter().flatten().filter(|(_, container)| !container.has_ended());
        let running =
            running.map(|(name, container)| (name.as_str(), &container.labels.attempt, container.labels.reserved));
        let starting = seen.starting.iter().map(|(name, (attempt, reserved))| (name.as_str(), attempt, *reserved));
        let all: BTreeMap<&str, (&AttemptId, Capacity)> =
            running.chain(starting).map(|(name, attempt, reserved)| (name, (attempt, reserved))).collect();
        let mut used = Capacity { slots: 0, memory_bytes: 0, cpu_millis: 0 };
        for (_, reserved) in all.values() {
            used.slots = used.slots.saturating_add(1);
            used.memory_bytes = used.memory_bytes.saturating_add(reserved.memory_bytes);
            used.cpu_millis = used.cpu_millis.saturating_add(reserved.cpu_millis);
        }
        Some((capacity, used, all.values().map(|(attempt, _)| (*attempt).clone()).collect()))
    }

    /// Reserves what a build needs until the reservation is dropped.
    pub(super) fn reserve(self: &Arc<Self>, name: &BuildName, attempt: &AttemptId, reserved: Capacity) -> Reservation {
        self.seen().starting.insert(name.clone(), (attempt.clone(), reserved));
        Reservation { member: Arc::clone(self), name: name.clone() }
    }

    /// The runner is brought by one start at a time.
    pub(super) async fn runner_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.runner_turn.lock().await
    }

    /// Whether an image was seen there.
    pub(super) fn has_image(&self, image: &str) -> bool {
        self.seen().images.get(image) == Some(&None)
    }

    pub(super) fn set_has_image(&self, image: &str) {
        self.seen().images.insert(image.to_owned(), None);
    }

    /// An image that was seen there is not.
    pub(super) fn set_lacks_image(&self, image: &str) {
        let now = self.clock.monotonic();
        self.seen().images.insert(image.to_owned(), Some(now));
    }

    /// Looks for an image, unless it was seen, or looked for in vain a moment ago.
    pub(super) async fn look_for_image(&self, image: &str) -> Result<(), DaemonError> {
        let now = self.clock.monotonic();
        let fresh = |looked: &Option<Duration>| looked.is_none_or(|at| now.saturating_sub(at) < LOOK_AGAIN);
        if self.seen().images.get(image).is_some_and(fresh) {
            return Ok(());
        }
        match self.daemon.has_image(image).await? {
            true => self.set_has_image(image),
            false => self.set_lacks_image(image),
        }
        Ok(())
    }

    pub(super) fn has_runner(&self) -> bool {
        self.seen().has_runner
    }

    pub(super) fn set_has_runner(&self, has_runner: bool) {
        self.seen().has_runner = has_runner;
    }
}

impl Seen {
    fn lose(&mut self, now: Timestamp) {
        if self.answers == Some(true) {
            self.gap = Some((now, END_OF_TIME));
        }
        self.answers = Some(false);
    }

    fn regain(&mut self, now: Timestamp) {
        if self.answers == Some(false)
            && let Some((_, until)) = &mut self.gap
        {
            *until = now;
        }
        self.answers = Some(true);
    }
}

/// Room that a start has taken before its container is there.
#[derive(Debug)]
pub(super) struct Reservation {
    member: Arc<Member>,
    name: BuildName,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.member.seen().starting.remove(&self.name);
    }
}

/// Nothing, where the daemon said that it is not there.
pub(super) fn absent<T>(answer: Result<T, DaemonError>) -> Result<Option<T>, DaemonError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

fn state_of(state: &ContainerState, made_at: Timestamp) -> State {
    match state.status {
        Some(ContainerStateStatusEnum::CREATED) => State::Created,
        Some(ContainerStateStatusEnum::REMOVING) => State::Removing,
        Some(ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::DEAD) => State::Exited {
            code: state.exit_code.unwrap_or(0),
            oom_killed: state.oom_killed.unwrap_or(false),
            error: state.error.clone().unwrap_or_default(),
        },
        _ => State::Running { since: time(state.started_at.as_deref()).unwrap_or(made_at) },
    }
}

fn time(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok()
}

/// What builds may use of a machine that its owner says nothing about: all, and a build a core.
fn machine_of(info: &bollard::models::SystemInfo) -> Capacity {
    let number = |number: Option<i64>| u64::try_from(number.unwrap_or(0)).unwrap_or(0);
    let cores = number(info.ncpu);
    Capacity {
        slots: u32::try_from(cores).unwrap_or(u32::MAX),
        memory_bytes: number(info.mem_total),
        cpu_millis: cores.saturating_mul(1_000),
    }
}

/// After that an image that was not there is looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// How long to wait before a daemon that broke off is asked again.
pub(super) const AGAIN: Duration = Duration::from_secs(1);
