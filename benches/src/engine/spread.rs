//! The figures of several runs as one.

use std::fmt;

/// Figures of the same thing from several runs: their median, and how far they lie apart.
#[derive(Clone, Debug, Default)]
pub struct Spread(Vec<f64>);

impl Spread {
    /// Takes in the figure of a run.
    pub fn add(&mut self, figure: f64) {
        let at = self.0.partition_point(|other| *other < figure);
        self.0.insert(at, figure);
    }

    /// The one in the middle; 0 when there is none.
    pub fn median(&self) -> f64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or(0.0)
    }

    /// From the smallest to the largest, as a part of the median.
    pub fn noise(&self) -> f64 {
        match (self.0.first(), self.0.last()) {
            (Some(first), Some(last)) => (last - first) / self.median().max(f64::MIN_POSITIVE),
            _ => 0.0,
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.0} ±{:.0}%", self.median(), self.noise() * 50.0))
    }
}
