//! Durations by size, with kube-proxy's bounds.

use std::time::Duration;

/// Counts of durations up to each bound, and of those beyond the last.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Histogram {
    /// In seconds.
    bounds: Vec<f64>,
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    /// A millisecond, and twice as much fourteen times.
    pub(super) fn of_syncs() -> Self {
        Self::new((0..15).map(|power| 0.001 * f64::from(1 << power)).collect())
    }

    /// From a quarter of a second to five minutes.
    pub(super) fn of_programming() -> Self {
        let seconds =
            |from: u32, step: u32, count: u32| (0..count).map(move |at| f64::from(from + at * step));
        let quarters = [0.25, 0.5].into_iter();
        Self::new(
            quarters.chain(seconds(1, 1, 59)).chain(seconds(60, 5, 12)).chain(seconds(120, 30, 7)).collect(),
        )
    }

    fn new(bounds: Vec<f64>) -> Self {
        Self { counts: vec![0; bounds.len() + 1], bounds, sum: 0.0 }
    }

    pub(super) fn observe(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let beyond = self.bounds.len();
        let at = self.bounds.iter().position(|bound| seconds <= *bound).unwrap_or(beyond);
        self.counts[at] += 1;
        self.sum += seconds;
    }

    /// With what another one of the same bounds has seen.
    pub(super) fn and(&self, other: &Self) -> Self {
        let counts = self.counts.iter().zip(&other.counts).map(|(one, other)| one + other);
        Self { bounds: self.bounds.clone(), counts: counts.collect(), sum: self.sum + other.sum }
    }

    /// Each bound with how many there were up to it.
    pub(super) fn up_to(&self) -> impl Iterator<Item = (f64, u64)> {
        let mut below = 0;
        self.bounds.iter().zip(&self.counts).map(move |(bound, count)| {
            below += count;
            (*bound, below)
        })
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(super) fn sum(&self) -> f64 {
        self.sum
    }
}
