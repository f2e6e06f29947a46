//! The executors of the world: locks by name, hosts that hide, calls that fail in every way that the port allows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use netbuild_core::engine::{Input, StartAnswer};
use netbuild_core::model::{AttemptId, Build, BuildId, Cause, ExecutorName, Failure, Outcome, Timestamp};
use netbuild_core::port::{Listing, Phase, Started};
use netbuild_core::testkit::fixtures;

use super::process::{Process, Step};
use super::scheduler::{Event, World};
use crate::desk::{secs, waits};
use crate::history::Fact;

/// An executor with two hosts.
pub(crate) struct Executor {
    pub(crate) room: usize,
    pub(crate) processes: BTreeMap<BuildId, Process>,
    pub(crate) away_until: Timestamp,
    pub(crate) hidden_until: [Timestamp; 2],
}

impl Executor {
    pub(crate) fn new(room: usize) -> Self {
        let processes = BTreeMap::new();
        Executor { room, processes, away_until: Timestamp::EPOCH, hidden_until: [Timestamp::EPOCH; 2] }
    }

    pub(crate) fn hides(&self, host: u16, now: Timestamp) -> bool {
        self.hidden_until[host as usize] > now
    }

    /// What is on a hidden host is told to be unknown, or left out.
    fn list(&self, now: Timestamp, leaves_out: bool) -> Listing {
        let hidden = |process: &Process| self.hides(process.host, now);
        let told = self.processes.values().filter(|process| !(leaves_out && hidden(process)));
        let attempts = told.map(|process| process.observed(hidden(process))).collect();
        Listing { attempts, complete: !(self.hides(0, now) || self.hides(1, now)) }
    }
}

impl World {
    pub(crate) fn process(&mut self, executor: &ExecutorName, attempt: &AttemptId) -> Option<&mut Process> {
        let processes = &mut self.executors.get_mut(executor)?.processes;
        processes.get_mut(&attempt.build.build).filter(|process| process.attempt == *attempt)
    }

    /// Something a runner will do, if it is there still.
    pub(crate) fn runner_later(&mut self, after: Duration, executor: &ExecutorName, attempt: &AttemptId, step: Step) {
        let Some(born) = self.process(executor, attempt).map(|process| process.born) else { return };
        let (executor, attempt) = (executor.clone(), attempt.clone());
        self.later(after, Event::Runner { executor, attempt, born, step });
    }

    pub(crate) fn runner(&mut self, executor: &ExecutorName, attempt: &AttemptId, born: u64, step: Step) {
        if self.process(executor, attempt).is_none_or(|process| process.born != born) {
            return;
        }
        match step {
            Step::Begin => self.begin(executor, attempt),
            Step::Beat => self.beat(executor, attempt),
            Step::Finish(outcome) => self.end_process(executor, attempt, outcome),
            Step::Killed { traceless } => self.killed(executor, attempt, traceless),
        }
    }

    /// Carries out a start and answers.
    pub(crate) fn start(&mut self, executor: &ExecutorName, attempt: &AttemptId, build: &Arc<Build>) -> StartAnswer {
        let now = self.now;
        if self.dice.once_in(40) {
            let failure = Failure::new(Cause::SecretMissing, "no such secret");
            return StartAnswer::Refused(failure);
        }
        let trouble = self.dice.roll(24);
        let away = self.executors[executor].away_until > now;
        if away || trouble == 23 {
            return if self.dice.once_in(2) { StartAnswer::Unknown } else { StartAnswer::Unavailable };
        }
        let answer = self.start_for_sure(executor, attempt, build, trouble);
        if trouble == 22 { StartAnswer::Unknown } else { answer }
    }

    fn start_for_sure(
        &mut self,
        executor: &ExecutorName,
        attempt: &AttemptId,
        build: &Arc<Build>,
        trouble: u16,
    ) -> StartAnswer {
        let now = self.now;
        let port = self.executors.get_mut(executor).expect("an executor");
        if let Some(other) = port.processes.get(&attempt.build.build) {
            if other.attempt == *attempt {
                let observed = other.observed(port.hides(other.host, now));
                return StartAnswer::Started(Started::Adopted { observed });
            }
            if other.attempt.number > attempt.number {
                return StartAnswer::Stale;
            }
            if !other.is_over() || port.hides(other.host, now) {
                return StartAnswer::NameTaken { by: other.attempt.clone() };
            }
            port.processes.remove(&attempt.build.build);
        }
        let refusal = match trouble {
            19 => Some(Cause::NeverFits),
            20 => Some(Cause::ExecutorRefused),
            21 => Some(Cause::ImageInvalid),
            _ => None,
        };
        if let Some(cause) = refusal {
            return StartAnswer::Refused(Failure::new(cause, "no"));
        }
        let living = port.processes.values().filter(|process| !process.is_over()).count();
        if living >= port.room || trouble == 18 {
            return StartAnswer::Full;
        }
        let hosts: Vec<u16> = (0..2).filter(|host| !port.hides(*host, now)).collect();
        let Some(first) = hosts.first().copied() else { return StartAnswer::Full };
        let host = if self.dice.once_in(2) { *hosts.last().unwrap_or(&first) } else { first };
        let process = self.new_process(attempt, host, build);
        let created = Started::Created { host: Some(process.host_name()) };
        let port = self.executors.get_mut(executor).expect("an executor");
        port.processes.insert(attempt.build.build, process);
        let comes_up = self.dice.pick(&[2, 2, 10, 30, 90]);
        self.runner_later(secs(comes_up), executor, attempt, Step::Begin);
        StartAnswer::Started(created)
    }

    fn new_process(&mut self, attempt: &AttemptId, host: u16, build: &Build) -> Process {
        let deploy = build.spec.publish.as_ref().map(|_| fixtures::deploy(1));
        let succeeds = Outcome::Succeeded { deploy };
        let fails = |cause| Outcome::Failed(Failure::new(cause, ""));
        let outcome = match self.dice.roll(12) {
            8 => fails(Cause::CommandFailed { code: 3 }),
            9 => fails(Cause::SourceUnavailable),
            10 => fails(Cause::OutOfMemory),
            11 => fails(Cause::UploadFailed),
            _ => succeeds,
        };
        let takes = self.dice.pick(&[20, 60, 200, 200, 10_000]);
        let (attempt, leased_until) = (attempt.clone(), self.now);
        self.births += 1;
        Process { attempt, born: self.births, host, phase: waits(), at_work: false, leased_until, takes, outcome }
    }

    /// TERM and KILL reach what can be reached.
    pub(crate) fn kill(&mut self, executor: &ExecutorName, attempt: &AttemptId) {
        let now = self.now;
        let port = &self.executors[executor];
        let reached = port.processes.get(&attempt.build.build).is_some_and(|process| !port.hides(process.host, now));
        if port.away_until > now || !reached {
            return;
        }
        let after = self.dice.pick(&[1, 10]);
        let traceless = self.dice.once_in(3);
        self.runner_later(secs(after), executor, attempt, Step::Killed { traceless });
    }

    fn killed(&mut self, executor: &ExecutorName, attempt: &AttemptId, traceless: bool) {
        if self.process(executor, attempt).is_none_or(|process| process.is_over()) {
            return;
        }
        if traceless {
            self.vanish(executor, attempt);
        } else {
            self.end_process(executor, attempt, Outcome::Cancelled);
        }
    }

    /// Removes what is over, of this very attempt.
    pub(crate) fn remove(&mut self, executor: &ExecutorName, attempt: &AttemptId) {
        let now = self.now;
        let port = self.executors.get_mut(executor).expect("an executor");
        let reached = |process: &Process| port.hidden_until[process.host as usize] <= now && port.away_until <= now;
        let over = |process: &Process| process.attempt == *attempt && process.is_over() && reached(process);
        if port.processes.get(&attempt.build.build).is_some_and(over) {
            port.processes.remove(&attempt.build.build);
        }
    }

    /// It is gone and nobody can tell why.
    pub(crate) fn vanish(&mut self, executor: &ExecutorName, attempt: &AttemptId) {
        let Some(process) = self.process(executor, attempt) else { return };
        let at_work = process.at_work;
        self.learn_truth(executor, attempt);
        if at_work {
            self.history.push(Fact::Rests { attempt: attempt.clone() });
        }
        self.executors.get_mut(executor).expect("an executor").processes.remove(&attempt.build.build);
    }

    /// Nobody reaches a host for so many seconds.
    pub(crate) fn hide(&mut self, executor: &ExecutorName, host: u16, long: u64) {
        let until = self.now + secs(long);
        let port = self.executors.get_mut(executor).expect("an executor");
        port.hidden_until[host as usize] = until;
    }

    /// Everything on a host dies; the executor does not know for a while.
    pub(crate) fn lose_host(&mut self, executor: &ExecutorName, host: u16) {
        let port = &self.executors[executor];
        let on_it = |process: &&Process| process.host == host && !process.is_over();
        let lost: Vec<AttemptId> =
            port.processes.values().filter(on_it).map(|process| process.attempt.clone()).collect();
        for attempt in lost {
            self.vanish(executor, &attempt);
        }
    }

    /// A list is asked for: what is true now, told a little later.
    pub(crate) fn list(&mut self, executor: &ExecutorName) {
        let Some(engine) = &self.engine else { return };
        let asked_at_step = engine.steps();
        let leaves_out = self.dice.once_in(3);
        let port = &self.executors[executor];
        if port.away_until <= self.now {
            let listing = port.list(self.now, leaves_out);
            let after = self.dice.pick(&[0, 1, 4]);
            self.later_input(secs(after), Input::Listed { executor: executor.clone(), asked_at_step, listing });
        }
        self.later(secs(5), Event::List { life: self.life, executor: executor.clone() });
    }

    /// An event tells of a process as it is now: at once, never, late or twice.
    pub(crate) fn tell(&mut self, executor: &ExecutorName, attempt: &AttemptId) {
        let Some(process) = self.process(executor, attempt) else { return };
        let host = process.host;
        let observed = process.observed(false);
        if self.executors[executor].hides(host, self.now) {
            return;
        }
        let times: &[u64] = match self.dice.roll(5) {
            1 => &[],
            2 => &[10],
            3 => &[1, 7],
            _ => &[1],
        };
        for after in times {
            let input = Input::Observed { executor: executor.clone(), observed: observed.clone() };
            self.later_input(secs(*after), input);
        }
    }

    /// A false alarm: an attempt is told to be unknown although its host answers.
    pub(crate) fn false_alarm(&mut self, executor: &ExecutorName, attempt: &AttemptId) {
        let Some(process) = self.process(executor, attempt) else { return };
        let observed = process.observed(true);
        debug_assert_eq!(observed.phase, Phase::Unknown);
        self.later_input(secs(1), Input::Observed { executor: executor.clone(), observed });
    }

    pub(crate) fn living(&self) -> Vec<(ExecutorName, AttemptId, u16)> {
        let of = |(name, port): (&ExecutorName, &Executor)| {
            let living = port.processes.values().filter(|process| !process.is_over());
            living.map(|process| (name.clone(), process.attempt.clone(), process.host)).collect::<Vec<_>>()
        };
        self.executors.iter().flat_map(of).collect()
    }

    pub(crate) fn lanes(&self) -> BTreeSet<ExecutorName> {
        self.executors.keys().cloned().collect()
    }
}
