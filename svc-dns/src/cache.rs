//! Replies of upstream servers, kept for as long as they hold. Pure: whoever calls says what time it is.
//!
//! Two stores, as CoreDNS has them: what exists and what does not. They are cut into shards, each behind a lock of its own, so that
//! several threads answer from them side by side; a hit takes one lock for the time of one look-up. The names of the cluster's own
//! zone never come here: a look-up in the index costs as little, and is never out of date.

mod config;
mod entry;
mod key;
mod reply;
mod shard;

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

pub use self::config::{CacheConfig, CacheConfigBuilder, Prefetch, Stale, StaleMode};
use self::{
    entry::Entry,
    shard::{Shard, Store},
};
pub(crate) use self::{
    entry::Hit,
    key::Key,
    reply::{Holds, Judged, judge},
};
#[cfg(feature = "driver")]
pub(crate) use reply::cap_ttls;

/// What upstream servers said. Clones are the same cache.
///
/// ```
/// use std::time::Duration;
/// use svc_dns::{Cache, CacheConfig};
///
/// let config = CacheConfig::builder().max_ttl(Duration::from_secs(30)).bytes(4 << 20).build()?;
/// let cache = Cache::new(config);
/// assert_eq!(cache.stats().success.entries, 0);
/// # Ok::<(), svc_dns::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cache {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: CacheConfig,
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    counters: Counters,
}

/// Threads of one machine seldom meet in one of so many.
const SHARDS: usize = 32;

#[derive(Debug, Default)]
struct Counters {
    hits: [AtomicU64; 2],
    misses: AtomicU64,
    stale: AtomicU64,
    prefetched: AtomicU64,
    dropped: AtomicU64,
    evicted: [AtomicU64; 2],
}

/// What one of the two stores holds and has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreStats {
    /// Replies in it.
    pub entries: usize,
    /// Questions answered from it.
    pub hits: u64,
    /// Replies that had to make room.
    pub evictions: u64,
}

/// What a cache holds and has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// What exists.
    pub success: StoreStats,
    /// What does not, and failures.
    pub denial: StoreStats,
    /// Bytes in both, keys and book-keeping included.
    pub bytes: usize,
    /// Questions that it could not answer.
    pub misses: u64,
    /// Answers that had outlived their time (RFC 8767).
    pub served_stale: u64,
    /// Replies fetched again before their time was over.
    pub prefetch: u64,
    /// Replies to another question, not kept.
    pub drops: u64,
}

/// What the cache has for a question.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Nothing,
    /// It holds. `refresh`: fetch it again beside answering.
    Fresh {
        hit: Hit,
        refresh: bool,
    },
    /// It held until lately: to be given at once.
    Stale {
        hit: Hit,
        refresh: bool,
    },
    /// It held until lately: to be given if the servers do not answer soon ([`Cache::find_stale`]).
    Verify,
}

impl Cache {
    /// An empty cache.
    #[must_use]
    pub fn new(config: CacheConfig) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(Shard::new(&config, SHARDS))).collect();
        let inner = Inner { config, shards, hasher: RandomState::new(), counters: Counters::default() };
        Self { inner: Arc::new(inner) }
    }

    /// How it was set.
    #[must_use]
    pub fn config(&self) -> &CacheConfig {
        &self.inner.config
    }

    /// What it holds and has done.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.inner.counters;
        let mut stats = CacheStats {
            misses: read(&counters.misses),
            served_stale: read(&counters.stale),
            prefetch: read(&counters.prefetched),
            drops: read(&counters.dropped),
            ..CacheStats::default()
        };
        for (store, of) in [(&mut stats.success, Store::Success), (&mut stats.denial, Store::Denial)] {
            store.hits = read(&counters.hits[of as usize]);
            store.evictions = read(&counters.evicted[of as usize]);
        }
        for shard in &self.inner.shards {
            let shard = locked(shard);
            stats.success.entries += shard.len(Store::Success);
            stats.denial.entries += shard.len(Store::Denial);
            stats.bytes += shard.bytes();
        }
        stats
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.inner.shards.iter().for_each(|shard| locked(shard).clear());
    }

    /// Looks a question up.
    pub(crate) fn find(&self, key: &Key, now: Instant) -> Found {
        let config = &self.inner.config;
        let mut shard = self.shard(key);
        let Some((store, entry)) = shard.find(key, now, config.stale().map(Stale::window)) else {
            count(&self.inner.counters.misses);
            return Found::Nothing;
        };
        let fresh = entry.is_fresh(now);
        let may_refresh = entry.may_refresh(now);
        // Servers that just failed are not asked in front of every client (RFC 8767 section 5).
        if !fresh && may_refresh && matches!(config.stale_mode(), Some(StaleMode::Verify(_))) {
            return Found::Verify;
        }
        let popular = config.prefetched().is_some_and(|prefetch| entry.count_hit(prefetch, now));
        let refresh = may_refresh && (popular || !fresh);
        if refresh {
            entry.refreshing(now);
        }
        let hit = entry.hit(now, config);
        drop(shard);
        count(&self.inner.counters.hits[store as usize]);
        if !fresh {
            count(&self.inner.counters.stale);
            return Found::Stale { hit, refresh };
        }
        if refresh {
            count(&self.inner.counters.prefetched);
        }
        Found::Fresh { hit, refresh }
    }

    /// What held until lately, for when the servers do not answer.
    pub(crate) fn find_stale(&self, key: &Key, now: Instant) -> Option<Hit> {
        let config = &self.inner.config;
        let mut shard = self.shard(key);
        let (_, entry) = shard.find(key, now, config.stale().map(Stale::window))?;
        (!entry.is_fresh(now)).then(|| entry.hit(now, config))
    }

    /// Whether it is the same cache, not only an equal one.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// A stale answer was given after the servers had been asked in vain.
    pub(crate) fn served_stale(&self) {
        count(&self.inner.counters.stale);
    }

    /// Keeps a reply if it can be kept; gives the seconds that it holds.
    pub(crate) fn keep(&self, key: &Key, reply: &[u8], now: Instant) -> Option<u32> {
        let config = &self.inner.config;
        let judged = match judge(reply, key) {
            Ok(judged) => judged?,
            Err(reply::OtherQuestion) => {
                count(&self.inner.counters.dropped);
                return None;
            }
        };
        let ttl = config.ttl_of(&judged, key.name())?;
        let failure = judged.holds == Holds::Failure;
        let entry = Entry::new(reply, ttl, failure, now)?;
        let store = if judged.holds == Holds::Records { Store::Success } else { Store::Denial };
        let stale = config.stale().map(Stale::window);
        let evicted = self.shard(key).keep(store, key, entry, now, stale);
        for (store, evicted) in [Store::Success, Store::Denial].into_iter().zip(evicted) {
            self.inner.counters.evicted[store as usize].fetch_add(evicted, Ordering::Relaxed);
        }
        Some(ttl)
    }

    /// The servers were asked for a question again, in vain: what there is goes on, and they are left alone for a while.
    pub(crate) fn failed(&self, key: &Key, now: Instant) {
        let recheck = self.inner.config.stale().map_or(Duration::from_secs(30), Stale::recheck);
        self.shard(key).postpone(key, now + recheck);
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        let hash = self.inner.hasher.hash_one(key.bytes());
        let index = usize::from(hash.to_le_bytes()[7]) % self.inner.shards.len();
        locked(&self.inner.shards[index])
    }
}

fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;
