//! What may befall the world: builds, cancels and all kinds of trouble; then healing.

use std::sync::Arc;

use netbuild_core::engine::{Engine, Input};
use netbuild_core::model::{BuildRecord, CancelReason, OnUnknown};
use netbuild_core::testkit::fixtures;

use super::scheduler::{Crash, PENDING_LIMIT, QUEUE_LIMIT, RUN_LIMIT, World};
use crate::desk::{lane, secs};
use crate::history::Fact;

/// After so long without faults everything has ended: three attempts, each through all its limits.
const PATIENCE: u64 = 3 * (QUEUE_LIMIT + PENDING_LIMIT + RUN_LIMIT + 300);

impl World {
    pub(crate) fn turn(&mut self) {
        match self.dice.roll(100) {
            80..=86 => self.submit(),
            87..=88 => self.cancel_some(),
            89 => self.change_capacity(),
            90 => self.router.version += 1,
            91 => self.crash = Some(self.dice.pick(&[Crash::BeforePersist, Crash::AfterPersist])),
            92 => self.go_down(),
            93..=96 => self.trouble_on_an_executor(),
            97 => self.trouble_with_a_process(),
            _ => self.advance(),
        }
    }

    /// No more faults: everything must end.
    pub(crate) fn heal(&mut self) {
        self.dice.end();
        self.crash = None;
        for port in self.executors.values_mut() {
            port.away_until = self.now;
            port.hidden_until = [self.now; 2];
        }
        for executor in self.lanes() {
            let slots = self.slots[&executor].map(|slots| slots.max(1));
            self.slots.insert(executor.clone(), slots);
            self.feed(Input::Capacity { executor, slots });
        }
        let end = self.now + secs(PATIENCE);
        while self.now < end && self.ledger.open().next().is_some() {
            self.advance();
        }
        self.history.push(Fact::Over);
    }

    /// To what happens next: an event, or the engine's deadline.
    fn advance(&mut self) {
        let deadline = self.engine.as_ref().and_then(Engine::deadline);
        let next = self.agenda.first_key_value().map(|(key, _)| key.0);
        match (deadline, next) {
            (Some(deadline), next) if next.is_none_or(|next| deadline <= next) => {
                self.now = self.now.max(deadline);
                let now = self.now;
                let next = self.feed_and(Input::Tick, |engine| engine.deadline());
                let next_after = next.flatten().map(|next| next.since(now).as_millis() as u64);
                self.history.push(Fact::Ticked { next_after });
            }
            (_, Some(_)) => {
                if let Some(((at, _), event)) = self.agenda.pop_first() {
                    self.now = self.now.max(at);
                    self.happen(event);
                }
            }
            (_, None) => self.now = self.now + secs(1),
        }
    }

    fn submit(&mut self) {
        if self.engine.is_none() {
            return;
        }
        let rank = self.ledger.next_rank();
        let account = self.dice.pick(&["acme", "globex", "initech"]);
        let project = self.dice.pick(&["site", "blog"]);
        let mut build = fixtures::build(account, project, rank.0);
        build.spec.limits.queue = secs(QUEUE_LIMIT);
        build.spec.limits.pending = secs(PENDING_LIMIT);
        build.spec.limits.run = secs(RUN_LIMIT);
        build.spec.on_unknown = self.dice.pick(&[OnUnknown::Park, OnUnknown::Rerun]);
        if self.dice.once_in(4) {
            build.spec.publish = None;
        }
        let place = fixtures::message("p", rank.0, build.clone()).place;
        self.history.push(Fact::Admitted { build: build.key() });
        self.ledger.admit(BuildRecord::admitted(build.clone(), place, rank, self.now));
        self.feed(Input::Admitted { build: Arc::new(build), rank });
    }

    fn cancel_some(&mut self) {
        let open: Vec<_> = self.ledger.open().map(BuildRecord::key).collect();
        if !open.is_empty() {
            let build = self.dice.pick(&open);
            self.feed(Input::CancelAsked { build, reason: CancelReason::User });
        }
    }

    fn change_capacity(&mut self) {
        let executor = self.dice.pick(&[lane("a"), lane("b")]);
        let slots = Some(u32::from(self.dice.pick(&[2_u8, 1, 0, 3])));
        self.slots.insert(executor.clone(), slots);
        self.feed(Input::Capacity { executor, slots });
    }

    fn trouble_on_an_executor(&mut self) {
        let executor = self.dice.pick(&self.lanes().into_iter().collect::<Vec<_>>());
        let host = self.dice.roll(2);
        let (kind, long) = (self.dice.roll(5), self.dice.pick(&[10, 90, 100, 300]));
        match kind {
            0 => self.executors.get_mut(&executor).expect("an executor").away_until = self.now + secs(long),
            4 => {
                self.lose_host(&executor, host);
                self.hide(&executor, host, long);
            }
            _ => self.hide(&executor, host, long),
        }
    }

    fn trouble_with_a_process(&mut self) {
        let living = self.living();
        if living.is_empty() {
            return;
        }
        let (executor, attempt, _) = self.dice.pick(&living);
        if self.dice.once_in(2) { self.vanish(&executor, &attempt) } else { self.false_alarm(&executor, &attempt) }
    }
}
