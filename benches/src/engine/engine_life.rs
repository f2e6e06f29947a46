//! The measured thing: the engine, through its one function.

use netbuild_core::engine::{Action, Effects, Engine, EngineConfig, Input, StartAnswer};
use netbuild_core::model::{AttemptId, ExecutorName, InvalidName, Outcome, Rank, Report, RunPhase, Timestamp};
use netbuild_core::policy::Policy;
use netbuild_core::port::{FixedRouter, Started};

use super::builds::Builds;
use super::cpu_time::CpuTime;

/// An engine with one lane of [`SLOTS`](Self::SLOTS) slots and the builds that go through it.
#[derive(Debug)]
pub struct EngineLife {
    engine: Engine,
    router: FixedRouter,
    lane: ExecutorName,
    now: Timestamp,
    /// The attempts that the engine asked to be started and that nobody answered yet.
    asked: Vec<AttemptId>,
    /// Taken in and emptied after each step, with the room that it has.
    effects: Effects,
}

/// Nanoseconds a build, by the step of its life. Each is one call of [`Engine::step`], its effects made and dropped.
#[derive(Clone, Copy, Debug, Default)]
pub struct LifeTimes {
    /// `Admitted`: routed, into the lane's backlog and under its queue limit.
    pub admitted: f64,
    /// `StartAnswered`: the executor has it.
    pub answered: f64,
    /// `Beat`: it runs.
    pub running: f64,
    /// `Reported`: it ended; settled, the build ended and forgotten; its slot is free, the policy picks the next build, and
    /// that one's attempt is planned and its start asked for.
    pub freed: f64,
}

impl LifeTimes {
    /// Enqueue, pick and the bookkeeping of a start and of the slot that was freed for it.
    pub fn queue_and_start(&self) -> f64 {
        self.admitted + self.freed
    }

    /// The whole life.
    pub fn whole(&self) -> f64 {
        self.admitted + self.answered + self.running + self.freed
    }
}

impl EngineLife {
    /// How many builds run at once; a batch of steps between two looks at the clock, too.
    pub const SLOTS: u32 = 256;

    /// An engine without builds whose lane takes none yet.
    ///
    /// # Errors
    /// None in practice: the name is valid.
    pub fn new(policy: Box<dyn Policy>) -> Result<Self, InvalidName> {
        let lane = ExecutorName::new("k8s")?;
        let config = EngineConfig { max_asking: Self::SLOTS as usize, ..EngineConfig::default() };
        let router = FixedRouter::new(lane.clone());
        let now = Timestamp::EPOCH;
        let mut life = EngineLife {
            engine: Engine::new(config, policy),
            router,
            lane,
            now,
            asked: Vec::new(),
            effects: Effects::default(),
        };
        life.set_slots(0);
        Ok(life)
    }

    /// Queues all builds, one a millisecond. The nanoseconds a build.
    pub fn admit(&mut self, builds: &Builds) -> f64 {
        let began = CpuTime::now();
        for (n, build) in builds.0.iter().enumerate() {
            self.now = Timestamp::from_millis(n as u64);
            self.step(Input::Admitted { build: build.clone(), rank: Rank(n as u64) });
        }
        began.elapsed_nanos() / builds.0.len() as f64
    }

    /// Runs all that waits.
    pub fn drain(&mut self) -> LifeTimes {
        let count = self.engine.open_builds() as f64;
        let mut times = LifeTimes::default();
        self.set_slots(Self::SLOTS);
        while !self.asked.is_empty() {
            let batch = std::mem::take(&mut self.asked);
            let created = || StartAnswer::Started(Started::Created { host: None });
            let report = || Report::of(Outcome::Succeeded { deploy: None });
            times.answered += self.steps(&batch, |attempt| Input::StartAnswered { attempt, answer: created() });
            times.running += self.steps(&batch, |attempt| Input::Beat { attempt, phase: RunPhase::Fetch });
            times.freed += self.steps(&batch, |attempt| Input::Reported { attempt, report: report() });
        }
        assert_eq!(self.engine.open_builds(), 0, "all ran");
        LifeTimes {
            admitted: 0.0,
            answered: times.answered / count,
            running: times.running / count,
            freed: times.freed / count,
        }
    }

    /// One step for each attempt of a batch; what it takes without making the inputs.
    fn steps(&mut self, batch: &[AttemptId], input: impl Fn(AttemptId) -> Input) -> f64 {
        let inputs: Vec<Input> = batch.iter().cloned().map(input).collect();
        let began = CpuTime::now();
        for input in inputs {
            self.step(input);
        }
        began.elapsed_nanos()
    }

    fn set_slots(&mut self, slots: u32) {
        self.step(Input::Capacity { executor: self.lane.clone(), slots: Some(slots) });
    }

    fn step(&mut self, input: Input) {
        self.engine.step_into(input, self.now, &self.router, &mut self.effects);
        let start = |action| match action {
            Action::Start { attempt, .. } => Some(attempt),
            _ => None,
        };
        self.asked.extend(self.effects.act.drain(..).filter_map(start));
        self.effects.persist.clear();
        self.effects.notify.clear();
    }
}
