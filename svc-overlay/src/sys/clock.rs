//! The clock that nobody can set, and that does not stop while the machine sleeps.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// `CLOCK_BOOTTIME` (clock_gettime(2)).
pub(crate) fn since_boot() -> Duration {
    // Linux has had it since 2.6.39; without it time passes as tokio says.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}
