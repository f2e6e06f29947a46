//! Which faults, and when: a pure function of a seed.

use std::time::Duration;

use super::rules::Direction;

/// A fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// All connections end, and every new one.
    Cut,
    /// All connections are reset.
    Reset,
    /// The connection that sends the last of so many bytes is reset.
    CutAfter {
        /// The bytes that still arrive.
        bytes: u64,
        /// Their direction.
        direction: Direction,
    },
    /// No byte passes, and nobody is told.
    BlackHole {
        /// In these directions.
        directions: Vec<Direction>,
    },
    /// Each piece of data waits.
    Delay {
        /// So long.
        delay: Duration,
    },
}

/// A fault and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedFault {
    /// How long after the healing of the one before.
    pub after: Duration,
    /// What happens.
    pub fault: Fault,
    /// How long until it is healed.
    pub lasts: Duration,
}

/// A sequence of faults, each healed before the next. Equal seeds give equal plans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultPlan {
    faults: Vec<TimedFault>,
}

impl FaultPlan {
    /// So many faults of every kind in turn, in random order, each lasting up to `longest` and following the one before
    /// within `longest`.
    pub fn random(seed: u64, count: usize, longest: Duration) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut faults: Vec<Fault> = (0..count).map(|n| fault(n, &mut random)).collect();
        random.shuffle(&mut faults);
        let mut time = || longest.mul_f64(random.f64());
        let timed = |fault| TimedFault { after: time(), fault, lasts: time() };
        FaultPlan { faults: faults.into_iter().map(timed).collect() }
    }

    /// These faults.
    pub fn new(faults: Vec<TimedFault>) -> Self {
        FaultPlan { faults }
    }

    /// The faults in order.
    pub fn faults(&self) -> &[TimedFault] {
        &self.faults
    }
}

const BOTH: [Direction; 2] = [Direction::ToServer, Direction::ToClient];

fn fault(n: usize, random: &mut fastrand::Rng) -> Fault {
    match n % 6 {
        0 => Fault::Cut,
        1 => Fault::BlackHole { directions: BOTH.to_vec() },
        2 => Fault::CutAfter { bytes: random.u64(1..20_000), direction: BOTH[random.usize(..2)] },
        3 => Fault::Reset,
        4 => Fault::BlackHole { directions: vec![BOTH[random.usize(..2)]] },
        _ => Fault::Delay { delay: Duration::from_millis(random.u64(1..50)) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_plans_and_other_seeds_others() {
        let plan = |seed| FaultPlan::random(seed, 20, Duration::from_secs(2));
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
    }

    #[test]
    fn every_kind_comes_and_the_times_have_their_bound() {
        let plan = FaultPlan::random(3, 24, Duration::from_secs(2));
        let count = |wanted: fn(&Fault) -> bool| plan.faults().iter().filter(|timed| wanted(&timed.fault)).count();
        assert_eq!(count(|fault| matches!(fault, Fault::Cut)), 4);
        assert_eq!(count(|fault| matches!(fault, Fault::Reset)), 4);
        assert_eq!(count(|fault| matches!(fault, Fault::CutAfter { .. })), 4);
        assert_eq!(count(|fault| matches!(fault, Fault::BlackHole { .. })), 8);
        assert_eq!(count(|fault| matches!(fault, Fault::Delay { .. })), 4);
        assert!(plan.faults().iter().all(|timed| timed.after.max(timed.lasts) <= Duration::from_secs(2)));
    }
}
