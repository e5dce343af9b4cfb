//! In what order servers are asked.

/// The order in which the servers of a route are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// Anyone first, then those behind it.
    #[default]
    Random,
    /// The next one each time, then those behind it.
    RoundRobin,
    /// As they are listed.
    Sequential,
}

impl Policy {
    /// The order for one question. `random` is anything; `turn` counts questions.
    pub(super) fn order(self, servers: usize, random: u64, turn: u64) -> impl Iterator<Item = usize> + use<> {
        let start = match self {
            Self::Random => random,
            Self::RoundRobin => turn,
            Self::Sequential => 0,
        };
        let count = u64::try_from(servers).unwrap_or(u64::MAX).max(1);
        let start = usize::try_from(start % count).unwrap_or_default();
        (start..servers).chain(0..start)
    }
}
