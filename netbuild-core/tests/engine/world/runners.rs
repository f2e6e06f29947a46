//! The runners of the world, and the gateway between them and the engine.

use netbuild_core::engine::Input;
use netbuild_core::model::{AttemptId, Cause, ExecutorName, Failure, Outcome, Owner, RunPhase};
use netbuild_core::port::Phase;

use super::process::{Process, Step};
use super::scheduler::{CONFIG_GRACE, CONFIG_LEASE, Event, RUN_LIMIT, World};
use crate::desk::secs;
use crate::history::Fact;

impl World {
    /// The runner comes up and asks whether it may begin.
    pub(crate) fn begin(&mut self, executor: &ExecutorName, attempt: &AttemptId) {
        let now = self.now;
        let Some(process) = self.process(executor, attempt).filter(|process| !process.is_over()) else { return };
        process.phase = Phase::Running { since: now };
        process.leased_until = now + secs(CONFIG_LEASE);
        self.tell(executor, attempt);
        self.beat(executor, attempt);
    }

    pub(crate) fn beat(&mut self, executor: &ExecutorName, attempt: &AttemptId) {
        let now = self.now;
        let Some(process) = self.process(executor, attempt).filter(|process| !process.is_over()) else { return };
        let (host, leased_until) = (process.host, process.leased_until);
        let lost = self.dice.once_in(12) || self.executors[executor].hides(host, now);
        let answer = if lost { None } else { self.ask_gateway(attempt) };
        match answer {
            Some(true) => self.go_on(executor, attempt),
            Some(false) => {
                let after = self.dice.pick(&[0, CONFIG_GRACE]);
                self.runner_later(secs(after), executor, attempt, Step::Finish(Outcome::Cancelled));
            }
            // It fences itself, as late as it is allowed to.
            None if now >= leased_until => {
                let outcome = Outcome::Failed(Failure::new(Cause::LeaseLost, ""));
                let left = (leased_until + secs(CONFIG_GRACE)).since(now);
                self.runner_later(left, executor, attempt, Step::Finish(outcome));
            }
            None => self.next_beat(executor, attempt, 5),
        }
    }

    /// Continue or stop; `None`: no answer.
    fn ask_gateway(&mut self, attempt: &AttemptId) -> Option<bool> {
        self.engine.as_ref()?;
        let life = self.life;
        // The answer leaves before the step is durable, as the scheduler does it.
        let wanted = self.feed_and(Input::Beat { attempt: attempt.clone(), phase: RunPhase::Run }, |engine| {
            engine.is_wanted(attempt)
        });
        wanted.filter(|_| life == self.life || self.dice.once_in(2))
    }

    fn go_on(&mut self, executor: &ExecutorName, attempt: &AttemptId) {
        let leased_until = self.now + secs(CONFIG_LEASE);
        let Some(process) = self.process(executor, attempt) else { return };
        process.leased_until = leased_until;
        if !std::mem::replace(&mut process.at_work, true) {
            let (takes, hangs, outcome) = (process.takes, process.takes > RUN_LIMIT, process.outcome.clone());
            self.history.push(Fact::Works { attempt: attempt.clone() });
            // A runner ends its command at the limit by itself, unless it hangs.
            let by_itself = hangs && !self.dice.once_in(2);
            let (after, outcome) = if by_itself {
                (RUN_LIMIT, Outcome::Failed(Failure::new(Cause::RunTimeout, "")))
            } else {
                (takes, outcome)
            };
            self.runner_later(secs(after), executor, attempt, Step::Finish(outcome));
        }
        self.next_beat(executor, attempt, 15);
        // The worst moment: it may work on for a whole lease.
        if self.dice.once_in(12) {
            let host = self.process(executor, attempt).map_or(0, |process| process.host);
            self.hide(executor, host, 100);
        }
    }

    fn next_beat(&mut self, executor: &ExecutorName, attempt: &AttemptId, after: u64) {
        self.runner_later(secs(after), executor, attempt, Step::Beat);
    }

    /// The process ends, leaves its exit record and reports.
    pub(crate) fn end_process(&mut self, executor: &ExecutorName, attempt: &AttemptId, outcome: Outcome) {
        let now = self.now;
        if self.process(executor, attempt).is_none_or(|process| process.is_over()) {
            return;
        }
        self.learn_truth(executor, attempt);
        if let Outcome::Failed(failure) = &outcome
            && failure.owner() == Owner::Customer
        {
            self.customers.insert(attempt.clone());
        }
        let Some(process) = self.process(executor, attempt) else { return };
        let was_at_work = process.at_work;
        let report = process.end(outcome, now);
        if was_at_work {
            self.history.push(Fact::Rests { attempt: attempt.clone() });
        }
        self.tell(executor, attempt);
        let host = self.process(executor, attempt).map_or(0, |process| process.host);
        if !self.executors[executor].hides(host, self.now) && !self.dice.once_in(6) {
            let after = self.dice.pick(&[0, 0, 3]);
            self.later(secs(after), Event::Report { attempt: attempt.clone(), report });
        }
    }

    /// Whether it ran for as long as its customer may: nobody can tell to the second, because lists take their time.
    pub(crate) fn learn_truth(&mut self, executor: &ExecutorName, attempt: &AttemptId) {
        let now = self.now;
        let ran = self.process(executor, attempt).and_then(|process: &mut Process| process.running_since());
        if ran.is_some_and(|since| now.since(since) + secs(5) >= secs(RUN_LIMIT)) {
            self.customers.insert(attempt.clone());
        }
    }
}
