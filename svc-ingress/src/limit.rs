//! Who asks for too much: the leaky buckets of nginx's `limit_req` and the counts of its `limit_conn`, for all workers
//! together. Takes `now`, knows no clock.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use svc_model::ObjectName;

use crate::annotation::Limits;
use crate::generations::Generations;

#[cfg(test)]
mod tests;

/// Locks taken by different clients: threads seldom wait for one another.
const SHARDS: usize = 16;
/// Clients known at one time, over all Ingresses; one costs about 80 bytes. Nginx's zone of 5 MB holds as many.
const MAX_CLIENTS: usize = 131_072;
/// Requests are counted in thousandths.
const ONE: u64 = 1000;

/// What clients have asked for so far.
#[derive(Debug)]
pub struct Limiter {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
}

/// A client of one Ingress; the Ingress by a hash with a key that nobody knows.
type Key = (u64, IpAddr);

#[derive(Debug)]
struct Shard {
    buckets: Generations<Key, Buckets>,
    under_way: HashMap<Key, u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Buckets {
    per_second: Bucket,
    per_minute: Bucket,
}

/// Requests above the rate, in thousandths, at a time in milliseconds; `None` before the first.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    last: Option<(u64, u64)>,
}

/// A request that is under way; dropping it ends it.
#[derive(Debug)]
pub struct UnderWay {
    limiter: Arc<Limiter>,
    key: Key,
}

/// The client has asked for too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client has asked for too much")]
#[non_exhaustive]
pub struct Exceeded;

impl Default for Limiter {
    fn default() -> Self {
        let shard = || {
            let buckets = Generations::new(MAX_CLIENTS / SHARDS);
            Mutex::new(Shard { buckets, under_way: HashMap::new() })
        };
        Self { shards: (0..SHARDS).map(|_| shard()).collect(), hasher: RandomState::new() }
    }
}

impl Limiter {
    /// Counts a request of a client to an Ingress, at `now` in milliseconds of any clock that does not go back. Where
    /// requests at one time are limited, what is returned has to be kept until this one is over.
    ///
    /// # Errors
    ///
    /// It is over a limit. It then counts for no rate, or, as with nginx, for the rates alone if only too many are under way.
    pub fn admit(
        self: &Arc<Self>,
        ingress: Option<&ObjectName>,
        client: IpAddr,
        limits: &Limits,
        now: u64,
    ) -> Result<Option<UnderWay>, Exceeded> {
        if limits.exempts(client) {
            return Ok(None);
        }
        let key = (self.hasher.hash_one(ingress), client);
        let mut shard = self.shard(key);
        shard.fill(key, limits, now)?;
        if limits.connections() == 0 {
            return Ok(None);
        }
        let count = shard.under_way.entry(key).or_insert(0);
        if *count >= limits.connections() {
            return Err(Exceeded);
        }
        *count += 1;
        Ok(Some(UnderWay { limiter: Arc::clone(self), key }))
    }

    fn shard(&self, key: Key) -> MutexGuard<'_, Shard> {
        let hash = usize::try_from(self.hasher.hash_one(key.1) % SHARDS as u64).unwrap_or(0);
        self.shards[hash].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    /// Counts a request in all buckets, or in none if one is full.
    fn fill(&mut self, key: Key, limits: &Limits, now: u64) -> Result<(), Exceeded> {
        let (second, minute) = (u64::from(limits.per_second()), u64::from(limits.per_minute()));
        if second == 0 && minute == 0 {
            return Ok(());
        }
        let mut known = self.buckets.get_mut(key);
        let mut buckets = known.as_ref().map_or_else(Buckets::default, |known| **known);
        let burst = |limit: u64| limit * u64::from(limits.burst_multiplier()) * ONE;
        if second > 0 {
            buckets.per_second = buckets.per_second.filled(second * ONE, burst(second), now)?;
        }
        if minute > 0 {
            // In whole thousandths, as nginx has it: 1 a minute is 0.016 a second.
            buckets.per_minute = buckets.per_minute.filled(minute * ONE / 60, burst(minute), now)?;
        }
        match &mut known {
            Some(known) => **known = buckets,
            None => drop(self.buckets.insert(key, buckets)),
        }
        Ok(())
    }
}

impl Bucket {
    /// The bucket with one request more, of `rate` thousandths a second; an error if that is more than a burst.
    fn filled(self, rate: u64, burst: u64, now: u64) -> Result<Self, Exceeded> {
        let Some((excess, then)) = self.last else { return Ok(Self { last: Some((0, now)) }) };
        let leaked = rate.saturating_mul(now.saturating_sub(then)) / 1000;
        let excess = (excess + ONE).saturating_sub(leaked);
        if excess > burst {
            return Err(Exceeded);
        }
        Ok(Self { last: Some((excess, now)) })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut shard = self.limiter.shard(self.key);
        if let Some(count) = shard.under_way.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                shard.under_way.remove(&self.key);
            }
        }
    }
}
