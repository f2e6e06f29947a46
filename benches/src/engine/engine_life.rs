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
    /// `Capacity`, with one slot more: the policy picks the build, its attempt is planned and its start asked for.
    pub started: f64,
    /// `StartAnswered`: the executor has it.
    pub answered: f64,
    /// `Beat`: it runs.
    pub running: f64,
    /// `Reported`: it is settled, and the build ended and forgotten.
    pub ended: f64,
}

impl LifeTimes {
    /// What a build costs from its admission until its start is asked for.
    pub fn queue_and_start(&self) -> f64 {
        self.admitted + self.started
    }

    /// The whole life.
    pub fn whole(&self) -> f64 {
        self.admitted + self.started + self.answered + self.running + self.ended
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

    /// Runs all that waits, a batch that fills the slots at a time.
    pub fn drain(&mut self) -> LifeTimes {
        let count = self.engine.open_builds() as f64;
        let mut times = LifeTimes::default();
        while self.engine.open_builds() > 0 {
            let slots = 1..=Self::SLOTS.min(self.engine.open_builds() as u32);
            times.started += self.steps(slots, |slots, lane| Input::Capacity { executor: lane, slots: Some(slots) });
            self.set_slots(0);
            let batch = std::mem::take(&mut self.asked);
            let created = || StartAnswer::Started(Started::Created { host: None });
            let report = || Report::of(Outcome::Succeeded { deploy: None });
            let batch = || batch.iter().cloned();
            times.answered += self.steps(batch(), |attempt, _| Input::StartAnswered { attempt, answer: created() });
            times.running += self.steps(batch(), |attempt, _| Input::Beat { attempt, phase: RunPhase::Fetch });
            times.ended += self.steps(batch(), |attempt, _| Input::Reported { attempt, report: report() });
        }
        assert_eq!(self.engine.open_builds(), 0, "all ran");
        LifeTimes {
            admitted: 0.0,
            started: times.started / count,
            answered: times.answered / count,
            running: times.running / count,
            ended: times.ended / count,
        }
    }

    /// One step for each of a batch; what it takes without making the inputs.
    fn steps<T>(&mut self, batch: impl Iterator<Item = T>, input: impl Fn(T, ExecutorName) -> Input) -> f64 {
        let inputs: Vec<Input> = batch.map(|each| input(each, self.lane.clone())).collect();
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
