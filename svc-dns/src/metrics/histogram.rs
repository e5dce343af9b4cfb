//! Counts by size, with CoreDNS's bounds.

use std::sync::atomic::AtomicU64;

use super::{add, read};

/// Microseconds: a quarter of a millisecond, and twice as much each time.
pub(super) const DURATIONS: &[usize] = &[
    250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000, 1_024_000,
    2_048_000, 4_096_000, 8_192_000,
];

/// Microseconds: a millisecond, and twice as much each time.
pub(super) const PROGRAMMING: &[usize] = &[
    1_000,
    2_000,
    4_000,
    8_000,
    16_000,
    32_000,
    64_000,
    128_000,
    256_000,
    512_000,
    1_024_000,
    2_048_000,
    4_096_000,
    8_192_000,
    16_384_000,
    32_768_000,
    65_536_000,
    131_072_000,
    262_144_000,
    524_288_000,
];

/// Microseconds: a quarter of a millisecond, and ten times as much each time.
pub(super) const HEALTH: &[usize] = &[250, 2_500, 25_000, 250_000, 2_500_000];

/// Bytes.
pub(super) const SIZES: &[usize] =
    &[0, 100, 200, 300, 400, 511, 1_023, 2_047, 4_095, 8_291, 16_000, 32_000, 48_000, 64_000];

/// One count for each bound, and one for what is beyond the last.
#[derive(Debug)]
pub(super) struct Buckets<const N: usize> {
    counts: [AtomicU64; N],
    sum: AtomicU64,
}

impl<const N: usize> Default for Buckets<N> {
    fn default() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; N], sum: AtomicU64::new(0) }
    }
}

impl<const N: usize> Buckets<N> {
    pub(super) fn count(&self, bounds: &[usize], value: usize) {
        let bucket = bounds.iter().position(|bound| value <= *bound).unwrap_or(N - 1);
        add(&self.counts[bucket], 1);
        add(&self.sum, u64::try_from(value).unwrap_or(u64::MAX));
    }

    /// Adds what this has counted to a sum of several.
    pub(super) fn add_to(&self, total: &mut Total) {
        total.counts.resize(N, 0);
        for (total, count) in total.counts.iter_mut().zip(&self.counts) {
            *total += read(count);
        }
        total.sum += read(&self.sum);
    }
}

/// What the buckets of several threads come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Total {
    pub(super) counts: Vec<u64>,
    pub(super) sum: u64,
}
