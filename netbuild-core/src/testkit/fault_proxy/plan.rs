//! Faults from a seed.

use std::ops::Range;
use std::time::Duration;

use crate::random::Random;

use super::fault::{Direction, Fault};

/// A series of faults, each of them healed before the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    /// One after the other.
    pub faults: Vec<PlannedFault>,
}

/// A fault of a [`FaultPlan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedFault {
    /// How long all is well before it.
    pub after: Duration,
    /// What happens.
    pub fault: Fault,
    /// How long it lasts until it is healed.
    pub lasts: Duration,
}

impl FaultPlan {
    /// So many faults of all kinds, with times of these ranges between them and within. The same arguments give the same
    /// plan on every machine. Three of four faults end or hold all connections; the others are harder to notice. An empty range gives its start.
    pub fn random(seed: u64, faults: usize, between: Range<Duration>, within: Range<Duration>) -> Self {
        let mut random = Random::new(seed);
        let mut planned = || PlannedFault {
            after: between_of(&mut random, &between),
            fault: fault(&mut random),
            lasts: between_of(&mut random, &within),
        };
        FaultPlan { faults: (0..faults).map(|_| planned()).collect() }
    }

    /// How long it takes, besides what closing and listening take.
    pub fn duration(&self) -> Duration {
        self.faults.iter().map(|planned| planned.after + planned.lasts).sum()
    }
}

fn fault(random: &mut Random) -> Fault {
    let one_way = if random.unit() < 0.5 { Direction::ToUpstream } else { Direction::ToClient };
    match (random.unit() * 16.0) as u8 {
        0..4 => Fault::Cut,
        4..8 => Fault::BlackHole(Direction::Both),
        8..10 => Fault::Reset,
        10..12 => Fault::CutAfter((random.unit() * 4096.0) as u64, one_way),
        12..14 => Fault::BlackHole(one_way),
        14 => Fault::Delay(Duration::from_secs_f64(random.unit() * 0.1), one_way),
        _ => Fault::Bandwidth(1024 + (random.unit() * 65536.0) as u64, one_way),
    }
}

fn between_of(random: &mut Random, range: &Range<Duration>) -> Duration {
    range.start + range.end.saturating_sub(range.start).mul_f64(random.unit())
}
