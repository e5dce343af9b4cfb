//! How fast endpoints have answered lately, and which one is asked next (`load-balance: ewma`).
//!
//! Each endpoint has an average of its times that moves with every answer, and that fades while nobody asks it: an endpoint that
//! was slow once is tried again. Of two endpoints that the lot names the faster one is asked, so that all of a worker's requests do
//! not run to the same one at once.

use std::net::SocketAddr;
use std::time::Duration;

use crate::generations::Generations;

#[cfg(test)]
mod tests;

/// As in ingress-nginx: what is so long ago counts a third.
const DECAY: Duration = Duration::from_secs(10);
/// Endpoints of all Services that are known at one time.
const MAX_ENDPOINTS: usize = 16_384;

/// An endpoint's average, and when it was taken.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Average {
    seconds: f64,
    at: Duration,
}

impl Average {
    /// What is left of it at a later time, of which `answered` is news with what weight is gone.
    fn moved(self, answered: f64, now: Duration) -> f64 {
        let weight = (-now.saturating_sub(self.at).as_secs_f64() / DECAY.as_secs_f64()).exp();
        self.seconds * weight + answered * (1.0 - weight)
    }
}

/// The averages of endpoints. Times are since any one moment.
#[derive(Debug)]
pub struct Latencies(Generations<SocketAddr, Average>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Generations::new(MAX_ENDPOINTS))
    }
}

impl Latencies {
    /// The faster one of two endpoints; of all that are left after `tried`, `random` names them.
    pub fn choose(
        &mut self,
        endpoints: &[SocketAddr],
        tried: &[SocketAddr],
        random: u64,
        now: Duration,
    ) -> Option<SocketAddr> {
        let left: Vec<SocketAddr> =
            endpoints.iter().copied().filter(|endpoint| !tried.contains(endpoint)).collect();
        let count = u64::try_from(left.len()).ok().filter(|count| *count > 0)?;
        let at = |number: u64| usize::try_from(number).ok().and_then(|at| left.get(at).copied());
        let first = random % count;
        if count == 1 {
            return at(0);
        }
        // Another one than the first, each as likely.
        let second = (first + 1 + (random >> 32) % (count - 1)) % count;
        let (first, second) = (at(first)?, at(second)?);
        let (one, other) = (self.score(first, now), self.score(second, now));
        // Who is new is neither the fastest nor the slowest: it would get all requests at once, or none.
        let new = if one.is_none() || other.is_none() { self.mean(&left, now) } else { 0.0 };
        Some(if other.unwrap_or(new) < one.unwrap_or(new) { second } else { first })
    }

    /// An endpoint answered in this time. What is slower than the average counts at once, what is faster by and by.
    pub fn observe(&mut self, endpoint: SocketAddr, took: Duration, now: Duration) {
        let took = took.as_secs_f64();
        let seconds = match self.0.get_mut(endpoint) {
            Some(known) if took < known.seconds => known.moved(took, now),
            _ => took,
        };
        self.0.insert(endpoint, Average { seconds, at: now });
    }

    fn score(&mut self, endpoint: SocketAddr, now: Duration) -> Option<f64> {
        self.0.get_mut(endpoint).map(|average| average.moved(0.0, now))
    }

    fn mean(&mut self, endpoints: &[SocketAddr], now: Duration) -> f64 {
        let known: Vec<f64> = endpoints.iter().filter_map(|endpoint| self.score(*endpoint, now)).collect();
        let count = u32::try_from(known.len()).unwrap_or(u32::MAX).max(1);
        known.iter().sum::<f64>() / f64::from(count)
    }
}
