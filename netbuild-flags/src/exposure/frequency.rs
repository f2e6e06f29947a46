//! How often each of very many ids came: a count-min sketch.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::bucket::mix;

const BITS: u32 = 13;
const WIDTH: usize = 1 << BITS;
const ROWS: usize = 4;

/// A sketch of how often ids came. One thread adds, any reads. An estimate is never too low; it is too high by more than
/// e / 8,192 of all that were added in fewer than e⁻⁴ of all cases (Cormode and Muthukrishnan, 2005).
pub(super) struct Frequency(Box<[AtomicU32]>);

impl Frequency {
    pub(super) fn new() -> Self {
        Frequency((0..ROWS * WIDTH).map(|_| AtomicU32::new(0)).collect())
    }

    /// Counts an id, by its hash, and says how often it came, this time included.
    pub(super) fn add(&self, id: u64) -> u32 {
        let cells = self.cells(id);
        let counts = cells.map(|cell| cell.load(Ordering::Relaxed));
        let count = counts.into_iter().fold(u32::MAX, u32::min).saturating_add(1);
        // Cells that are higher already are so by others: leaving them alone keeps the error smaller.
        for (cell, before) in cells.into_iter().zip(counts) {
            if before < count {
                cell.store(count, Ordering::Relaxed);
            }
        }
        count
    }

    /// How often an id came.
    pub(super) fn get(&self, id: u64) -> u32 {
        self.cells(id).into_iter().map(|cell| cell.load(Ordering::Relaxed)).fold(u32::MAX, u32::min)
    }

    /// Adds all counts of another.
    pub(super) fn absorb(&self, other: &Frequency) {
        for (cell, more) in self.0.iter().zip(&other.0) {
            let sum = cell.load(Ordering::Relaxed).saturating_add(more.load(Ordering::Relaxed));
            cell.store(sum, Ordering::Relaxed);
        }
    }

    /// A cell in each row, by 13 bits each of the mixed hash.
    fn cells(&self, id: u64) -> [&AtomicU32; ROWS] {
        let bits = mix(id);
        std::array::from_fn(|row| {
            let column = usize::try_from(bits >> (16 * row)).unwrap_or(0) & (WIDTH - 1);
            &self.0[row * WIDTH + column]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::hash;

    #[test]
    fn no_count_is_too_low_and_few_are_too_high_by_more_than_stated() {
        let frequency = Frequency::new();
        let ids: Vec<u64> = (0..50_000).map(|id| hash(&format!("account-{id}"))).collect();
        // The first is the busiest: 1/rank, as customers are.
        let times = |rank: usize| 10_000 / u32::try_from(rank + 1).unwrap() + 1;
        let mut total = 0_u32;
        for (rank, id) in ids.iter().enumerate() {
            for _ in 0..times(rank) {
                frequency.add(*id);
                total += 1;
            }
        }
        let bound = f64::from(total) * std::f64::consts::E / 8_192.0;
        let over: Vec<f64> =
            ids.iter().enumerate().map(|(rank, id)| f64::from(frequency.get(*id)) - f64::from(times(rank))).collect();
        assert!(over.iter().all(|over| *over >= 0.0));
        let beyond = over.iter().filter(|over| **over > bound).count();
        assert!((beyond as f64) < 0.0183 * ids.len() as f64, "{beyond} are over by more than {bound}");
    }
}
