//! Counts by size, with ingress-nginx's bounds.

use std::time::Duration;

/// In seconds: Prometheus' default.
const SECONDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const BYTES: [f64; 7] = [10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e7];

/// Counts up to each bound, with those beyond the last in `OVER`.
#[derive(Clone, Debug, Default, PartialEq)]
struct Counts<const N: usize> {
    counts: Numbers<N>,
    beyond: u64,
    sum: f64,
}

#[derive(Clone, Debug, PartialEq)]
struct Numbers<const N: usize>([u64; N]);

impl<const N: usize> Default for Numbers<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Counts<N> {
    fn observe(&mut self, bounds: &[f64; N], value: f64) {
        let place = bounds.iter().position(|bound| value <= *bound);
        match place.and_then(|place| self.counts.0.get_mut(place)) {
            Some(count) => *count += 1,
            None => self.beyond += 1,
        }
        self.sum += value;
    }

    fn add(&mut self, other: &Self) {
        self.counts.0.iter_mut().zip(other.counts.0).for_each(|(count, more)| *count += more);
        (self.beyond, self.sum) = (self.beyond + other.beyond, self.sum + other.sum);
    }

    fn snapshot(&self, bounds: &[f64; N]) -> Snapshot {
        let mut below = 0;
        let up_to = bounds.iter().zip(self.counts.0).map(|(bound, count)| {
            below += count;
            (*bound, below)
        });
        let up_to = up_to.collect();
        Snapshot { up_to, count: below + self.beyond, sum: self.sum }
    }
}

/// What a histogram shows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Snapshot {
    /// Each bound with how many there were up to it.
    pub(super) up_to: Vec<(f64, u64)>,
    pub(super) count: u64,
    pub(super) sum: f64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Durations(Counts<11>);

impl Durations {
    pub(super) fn observe(&mut self, took: Duration) {
        self.0.observe(&SECONDS, took.as_secs_f64());
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.add(&other.0);
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.0.snapshot(&SECONDS)
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sizes(Counts<7>);

impl Sizes {
    pub(super) fn observe(&mut self, bytes: u64) {
        self.0.observe(&BYTES, bytes as f64);
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.add(&other.0);
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.0.snapshot(&BYTES)
    }
}
