//! `limit-rate` and `limit-rate-after`.

use std::time::Duration;

use super::reader::Reader;
use super::value;

const KIB: u64 = 1024;

/// How fast one reply goes to its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    per_second: u64,
    after: u64,
}

impl Rate {
    /// `None` without a limit.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let after = reader.read("limit-rate-after", value::count).unwrap_or(0);
        let rate = reader.read("limit-rate", value::count).filter(|rate| *rate > 0)?;
        Some(Self { per_second: u64::from(rate) * KIB, after: u64::from(after) * KIB })
    }

    /// Bytes in a second.
    #[must_use]
    pub fn per_second(&self) -> u64 {
        self.per_second
    }

    /// How many bytes go before that at any speed.
    #[must_use]
    pub fn after(&self) -> u64 {
        self.after
    }

    /// How long so many bytes take at least.
    #[must_use]
    pub fn time_for(&self, bytes: u64) -> Duration {
        let slow = bytes.saturating_sub(self.after);
        let (seconds, rest) = (slow / self.per_second, slow % self.per_second);
        Duration::from_secs(seconds) + Duration::from_millis(rest * 1000 / self.per_second)
    }
}
