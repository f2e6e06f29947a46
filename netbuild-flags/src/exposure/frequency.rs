//! How often each of very many ids came: a count-min sketch, and before it the ids that came lately.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const BITS: u32 = 13;
const WIDTH: usize = 1 << BITS;
const ROWS: usize = 4;
/// What an id is known by: 13 bits for the column in each row.
const NAME_BITS: u32 = 4 * BITS;

/// Pairs of places for ids that came lately. The pair is 14 bits of the name, and a place holds the other 38.
const PAIR_BITS: u32 = 14;
const COUNT_BITS: u32 = 64 - (NAME_BITS - PAIR_BITS);
const MAX_COUNT: u64 = (1 << COUNT_BITS) - 1;

/// A sketch of how often ids came. One thread adds, any reads. An estimate is never too low; it is too high by more than
/// e / 8,192 of all that were added in fewer than e⁻⁴ of all cases (Cormode and Muthukrishnan, 2005).
///
/// Of an id that comes again soon only one place is touched: its count is kept there, exactly, until another id needs the
/// place. Then it goes into the sketch.
pub(super) struct Frequency {
    /// Two places for each pair: the rest of the name above the count; 0 when it is free.
    lately: Box<[AtomicU64]>,
    cells: Box<[AtomicU32]>,
}

/// Whether an id is one that did not come lately, and how often it came since, this time included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    Again(u32),
    New,
}

impl Frequency {
    pub(super) fn new() -> Self {
        Frequency {
            lately: (0..2 << PAIR_BITS).map(|_| AtomicU64::new(0)).collect(),
            cells: (0..ROWS * WIDTH).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    /// Counts an id, by its hash: every bit must be as good as any other.
    #[inline]
    pub(super) fn add(&self, id: u64) -> Came {
        let name = name(id);
        let (pair, rest) = split(name);
        let places = [&self.lately[2 * pair], &self.lately[2 * pair + 1]];
        let held = places.map(|place| place.load(Ordering::Relaxed));
        let second = usize::from(held[1] >> COUNT_BITS == rest && held[1] != 0);
        let count = held[second] & MAX_COUNT;
        if held[second] >> COUNT_BITS == rest && (1..MAX_COUNT).contains(&count) {
            places[second].store(held[second] + 1, Ordering::Relaxed);
            return Came::Again(u32::try_from(count + 1).unwrap_or(u32::MAX));
        }
        self.make_room(pair, rest, held);
        Came::New
    }

    /// Puts an id in the place of its pair that came less often.
    #[cold]
    fn make_room(&self, pair: usize, rest: u64, held: [u64; 2]) {
        // Of a place that is full the id itself has to go.
        let own = held.iter().position(|held| held >> COUNT_BITS == rest && *held != 0);
        let out = own.unwrap_or_else(|| usize::from(held[1] & MAX_COUNT < held[0] & MAX_COUNT));
        self.sketch(joined(pair, held[out] >> COUNT_BITS), held[out] & MAX_COUNT);
        // Afterwards: who reads in between sees the count twice, never not at all.
        self.lately[2 * pair + out].store((rest << COUNT_BITS) | 1, Ordering::Release);
    }

    /// How often an id came.
    pub(super) fn get(&self, id: u64) -> u32 {
        let name = name(id);
        let (pair, rest) = split(name);
        let of = |place: &AtomicU64| {
            let held = place.load(Ordering::Acquire);
            if held >> COUNT_BITS == rest { held & MAX_COUNT } else { 0 }
        };
        let lately = of(&self.lately[2 * pair]) + of(&self.lately[2 * pair + 1]);
        let sketched = self.cells(name).into_iter().map(|cell| cell.load(Ordering::Relaxed)).fold(u32::MAX, u32::min);
        sketched.saturating_add(u32::try_from(lately).unwrap_or(u32::MAX))
    }

    /// Adds all counts of another.
    pub(super) fn absorb(&self, other: &Frequency) {
        for (place, held) in other.lately.iter().enumerate() {
            let held = held.load(Ordering::Acquire);
            self.sketch(joined(place / 2, held >> COUNT_BITS), held & MAX_COUNT);
        }
        for (cell, more) in self.cells.iter().zip(&other.cells) {
            let sum = cell.load(Ordering::Relaxed).saturating_add(more.load(Ordering::Relaxed));
            cell.store(sum, Ordering::Relaxed);
        }
    }

    fn sketch(&self, name: u64, count: u64) {
        if count == 0 {
            return;
        }
        let cells = self.cells(name);
        let counts = cells.map(|cell| cell.load(Ordering::Relaxed));
        let least = counts.into_iter().fold(u32::MAX, u32::min);
        let sum = least.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        // Cells that are higher already are so by others: leaving them alone keeps the error smaller.
        for (cell, before) in cells.into_iter().zip(counts) {
            if before < sum {
                cell.store(sum, Ordering::Release);
            }
        }
    }

    /// A cell in each row.
    fn cells(&self, name: u64) -> [&AtomicU32; ROWS] {
        std::array::from_fn(|row| {
            let column = usize::try_from(name >> (BITS as usize * row)).unwrap_or(0) & (WIDTH - 1);
            &self.cells[row * WIDTH + column]
        })
    }
}

fn name(id: u64) -> u64 {
    id >> (64 - NAME_BITS)
}

/// The pair of places of a name, and the rest of it.
fn split(name: u64) -> (usize, u64) {
    (usize::try_from(name & ((1 << PAIR_BITS) - 1)).unwrap_or(0), name >> PAIR_BITS)
}

fn joined(pair: usize, rest: u64) -> u64 {
    (rest << PAIR_BITS) | pair as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::hash;

    /// The first is the busiest: 1/rank, as customers are.
    fn times(rank: usize) -> u32 {
        10_000 / u32::try_from(rank + 1).unwrap() + 1
    }

    #[test]
    fn no_count_is_too_low_and_few_are_too_high_by_more_than_stated() {
        let frequency = Frequency::new();
        let ids: Vec<u64> = (0..200_000).map(|id| hash(&format!("account-{id}"))).collect();
        let mut total = 0_u32;
        for round in 0..times(0) {
            for (_, id) in ids.iter().enumerate().take_while(|(rank, _)| times(*rank) > round) {
                frequency.add(*id);
                total += 1;
            }
        }
        let bound = f64::from(total) * std::f64::consts::E / 8_192.0;
        let sum = Frequency::new();
        sum.absorb(&frequency);
        for frequency in [frequency, sum] {
            let over = |(rank, id): (usize, &u64)| f64::from(frequency.get(*id)) - f64::from(times(rank));
            let over: Vec<f64> = ids.iter().enumerate().map(over).collect();
            assert!(over.iter().all(|over| *over >= 0.0));
            let beyond = over.iter().filter(|over| **over > bound).count();
            assert!((beyond as f64) < 0.0183 * ids.len() as f64, "{beyond} are over by more than {bound}");
        }
    }

    #[test]
    fn a_full_place_goes_into_the_sketch() {
        let frequency = Frequency::new();
        let id = hash("account");
        let (pair, rest) = split(name(id));
        frequency.lately[2 * pair + 1].store((rest << COUNT_BITS) | MAX_COUNT, Ordering::Relaxed);
        assert_eq!(frequency.add(id), Came::New);
        assert_eq!(frequency.add(id), Came::Again(2));
        assert_eq!(u64::from(frequency.get(id)), MAX_COUNT + 2);
    }
}
