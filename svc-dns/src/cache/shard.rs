//! A part of the cache: two stores with room for so many replies and so many bytes.

use std::{
    hash::{BuildHasher, RandomState},
    time::{Duration, Instant},
};

use indexmap::IndexMap;

use super::{CacheConfig, Key, entry::Entry};

/// Which of the two stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    Success,
    Denial,
}

#[derive(Debug)]
pub(super) struct Shard {
    stores: [IndexMap<Box<[u8]>, Entry>; 2],
    most: [usize; 2],
    bytes: usize,
    most_bytes: usize,
    /// For the choice of what has to go.
    random: u64,
}

/// Entries that are looked at for one that has to go. The longest unused of them goes: nearly as good as a list in order of use,
/// and a hit moves nothing.
const SAMPLE: usize = 5;

impl Shard {
    pub(super) fn new(config: &CacheConfig, shards: usize) -> Self {
        let (success, denial) = config.capacities();
        Self {
            stores: [IndexMap::new(), IndexMap::new()],
            most: [success.div_ceil(shards).max(1), denial.div_ceil(shards).max(1)],
            bytes: 0,
            most_bytes: config.most_bytes() / shards,
            random: RandomState::new().hash_one(0) | 1,
        }
    }

    pub(super) fn len(&self, store: Store) -> usize {
        self.stores[store as usize].len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn clear(&mut self) {
        self.stores.iter_mut().for_each(IndexMap::clear);
        self.bytes = 0;
    }

    /// What holds comes first; then what held lately, since it is better than a failure; then a failure.
    pub(super) fn find(
        &mut self,
        key: &Key,
        now: Instant,
        stale: Option<Duration>,
    ) -> Option<(Store, &mut Entry)> {
        let rank = |entry: &Entry| match () {
            () if entry.is_fresh(now) && !entry.failure => Some(0),
            () if !entry.failure && entry.is_useful(now, stale) => Some(1),
            () if entry.failure && entry.is_fresh(now) => Some(2),
            () => None,
        };
        let [success, denial] = &mut self.stores;
        let of = |store, entry: Option<&'_ Entry>| Some((rank(entry?)?, store));
        let found =
            [of(Store::Success, success.get(key.bytes())), of(Store::Denial, denial.get(key.bytes()))];
        let (_, store) = found.into_iter().flatten().min_by_key(|(rank, _)| *rank)?;
        let entry = self.stores[store as usize].get_mut(key.bytes())?;
        Some((store, entry))
    }

    /// Puts a reply in; what it replaces goes, and others if there is no room: so many of each store.
    pub(super) fn keep(
        &mut self,
        store: Store,
        key: &Key,
        entry: Entry,
        now: Instant,
        stale: Option<Duration>,
    ) -> [u64; 2] {
        if entry.failure && self.find(key, now, stale).is_some_and(|(_, entry)| !entry.failure) {
            return [0; 2];
        }
        let cost = key.bytes().len() + entry.cost();
        if cost > self.most_bytes {
            return [0; 2];
        }
        self.remove(Store::Success, key.bytes());
        self.remove(Store::Denial, key.bytes());
        let mut evicted = [0; 2];
        while self.len(store) >= self.most[store as usize] {
            self.evict(store, now, stale);
            evicted[store as usize] += 1;
        }
        while self.bytes + cost > self.most_bytes {
            let fuller = if self.len(Store::Success) > self.len(Store::Denial) {
                Store::Success
            } else {
                Store::Denial
            };
            self.evict(fuller, now, stale);
            evicted[fuller as usize] += 1;
        }
        self.bytes += cost;
        self.stores[store as usize].insert(key.bytes().into(), entry);
        evicted
    }

    pub(super) fn postpone(&mut self, key: &Key, until: Instant) {
        for store in &mut self.stores {
            if let Some(entry) = store.get_mut(key.bytes()) {
                entry.postpone(until);
            }
        }
    }

    fn remove(&mut self, store: Store, key: &[u8]) {
        if let Some(entry) = self.stores[store as usize].swap_remove(key) {
            self.bytes -= key.len() + entry.cost();
        }
    }

    fn evict(&mut self, store: Store, now: Instant, stale: Option<Duration>) {
        let len = self.len(store);
        let sample: [usize; SAMPLE] = std::array::from_fn(|_| self.random_below(len));
        let entries = &self.stores[store as usize];
        let worth = |index: &usize| {
            entries.get_index(*index).map(|(_, entry)| (entry.is_useful(now, stale), entry.used))
        };
        let worst = sample.into_iter().min_by_key(worth).unwrap_or_default();
        if let Some((key, entry)) = self.stores[store as usize].swap_remove_index(worst) {
            self.bytes -= key.len() + entry.cost();
        }
    }

    /// Xorshift: good enough to choose by.
    fn random_below(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 33).unwrap_or_default().checked_rem(below).unwrap_or_default()
    }
}
