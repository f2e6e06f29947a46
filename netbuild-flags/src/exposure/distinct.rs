//! How many different ids there were: HyperLogLog.

use std::sync::atomic::{AtomicU8, Ordering};

const BITS: u32 = 12;
const REGISTERS: usize = 1 << BITS;
/// Ranks go from 1 to this: leading zeros of the bits that do not choose the register, and one.
const MAX_RANK: usize = 64 - BITS as usize + 1;

/// A sketch of a set of ids. One thread adds, any reads.
pub(super) struct Distinct(Box<[AtomicU8]>);

impl Distinct {
    pub(super) fn new() -> Self {
        Distinct((0..REGISTERS).map(|_| AtomicU8::new(0)).collect())
    }

    /// Adds an id by its hash.
    pub(super) fn add(&self, hash: u64) {
        let register = usize::try_from(hash >> (64 - BITS)).unwrap_or(0);
        // The bit that is set bounds the rank for a hash that is all zeros.
        let rank = ((hash << BITS) | (1 << (BITS - 1))).leading_zeros() + 1;
        self.raise(register, u8::try_from(rank).unwrap_or(u8::MAX));
    }

    /// Adds all ids of another.
    pub(super) fn absorb(&self, other: &Distinct) {
        for (register, rank) in other.0.iter().enumerate() {
            self.raise(register, rank.load(Ordering::Relaxed));
        }
    }

    fn raise(&self, register: usize, rank: u8) {
        let register = &self.0[register];
        if register.load(Ordering::Relaxed) < rank {
            register.store(rank, Ordering::Relaxed);
        }
    }

    /// How many ids there are: the estimator of Ertl ("New cardinality estimation algorithms for HyperLogLog sketches",
    /// 2017, algorithm 6), which needs no tables and is unbiased for few and for many.
    #[expect(clippy::cast_precision_loss, reason = "counts of registers are small")]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is never negative")]
    pub(super) fn estimate(&self) -> u64 {
        let mut with_rank = [0_u32; MAX_RANK + 1];
        for register in &self.0 {
            with_rank[usize::from(register.load(Ordering::Relaxed)).min(MAX_RANK)] += 1;
        }
        let registers = REGISTERS as f64;
        let part = |rank: usize| f64::from(with_rank[rank]) / registers;
        let mut z = registers * tau(1.0 - part(MAX_RANK));
        for rank in (1..MAX_RANK).rev() {
            z = 0.5 * (z + f64::from(with_rank[rank]));
        }
        z += registers * sigma(part(0));
        (registers * registers / (2.0 * std::f64::consts::LN_2 * z)).round() as u64
    }
}

#[expect(clippy::float_cmp, reason = "a fixed point is where nothing changes any more")]
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

#[expect(clippy::float_cmp, reason = "a fixed point is where nothing changes any more")]
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::hash;

    #[test]
    fn counts_are_within_the_stated_error_from_none_to_a_million() {
        let (sketch, mut worst) = (Distinct::new(), 0.0_f64);
        assert_eq!(sketch.estimate(), 0);
        let mut squares = 0.0;
        let mut points = 0.0;
        for id in 1..=1_000_000_u32 {
            sketch.add(hash(&format!("account-{id}")));
            if id < 5 {
                assert_eq!(sketch.estimate(), u64::from(id));
            }
            if id % 20_000 == 0 {
                let error = (sketch.estimate() as f64 / f64::from(id) - 1.0).abs();
                worst = worst.max(error);
                squares += error * error;
                points += 1.0;
            }
        }
        let root_mean_square = (squares / points).sqrt();
        assert!(worst < 3.0 * 0.0163 && root_mean_square < 0.0163 * 2.0, "{worst} {root_mean_square}");
        let twice = Distinct::new();
        twice.absorb(&sketch);
        twice.absorb(&sketch);
        assert_eq!(twice.estimate(), sketch.estimate());
    }
}
