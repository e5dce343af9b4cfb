//! How long to wait before the next try.

use std::time::Duration;

/// Doubles from one failure to the next, up to a limit, and starts anew after a success. Between half of that and all of
/// it are waited, so that clients which failed together do not come back together.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    least: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn between(least: Duration, most: Duration) -> Self {
        Self { least, most: most.max(least), failures: 0 }
    }

    /// The next wait; `chance` is any number.
    pub(super) fn after_failure(&mut self, chance: u32) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let whole = self.least.saturating_mul(factor).min(self.most);
        whole / 2 + (whole / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_start_anew() {
        let mut backoff = Backoff::between(Duration::from_millis(800), Duration::from_secs(30));
        let waits: Vec<_> = (0..8).map(|_| backoff.after_failure(u32::MAX).as_millis()).collect();
        assert_eq!(waits, [800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
        assert_eq!(backoff.after_failure(0).as_millis(), 15000);
        (0..100).for_each(|_| assert!(backoff.after_failure(7) <= Duration::from_secs(30)));
        backoff.succeeded();
        assert_eq!(backoff.after_failure(0).as_millis(), 400);
    }
}
