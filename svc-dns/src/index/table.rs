//! Services by name: a table of tables.
//!
//! A snapshot of it is one pointer, a change copies one of 256 small tables, a lookup touches few cache lines. A persistent trie
//! costs less per change and several times as much per lookup; lookups are what there is most of.

use std::{
    borrow::Borrow,
    collections::HashSet,
    hash::{Hash, Hasher},
    sync::Arc,
};

use super::ServiceRecords;

/// Records by their [key](ServiceRecords::key).
#[derive(Clone, Debug)]
pub(super) struct Table {
    shards: Arc<[Arc<HashSet<Entry>>]>,
}

/// One Service's records, known by their key.
#[derive(Clone, Debug)]
struct Entry(Arc<ServiceRecords>);

const SHARDS: usize = 256;

impl Table {
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Arc::default()).collect() }
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Arc<ServiceRecords>> {
        self.shards[shard(key)].get(key).map(|entry| &entry.0)
    }

    pub(super) fn insert(&mut self, records: Arc<ServiceRecords>) {
        let shard = self.shard_mut(shard(records.key()));
        shard.replace(Entry(records));
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        self.shard_mut(shard(key)).remove(key);
    }

    fn shard_mut(&mut self, shard: usize) -> &mut HashSet<Entry> {
        Arc::make_mut(&mut Arc::make_mut(&mut self.shards)[shard])
    }
}

/// Spreads names evenly (FNV-1a); nothing worse comes of a bad spread than larger copies.
fn shard(key: &[u8]) -> usize {
    let hash =
        key.iter().fold(0x811c_9dc5_u32, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    usize::from((hash >> 24).to_le_bytes()[0])
}

impl Borrow<[u8]> for Entry {
    fn borrow(&self) -> &[u8] {
        self.0.key()
    }
}

impl Hash for Entry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key().hash(state);
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.0.key() == other.0.key()
    }
}

impl Eq for Entry {}

/// Equal when all records are.
impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        let same = |(one, two): (&Arc<HashSet<Entry>>, &Arc<HashSet<Entry>>)| {
            Arc::ptr_eq(one, two)
                || one.len() == two.len()
                    && one.iter().all(|entry| two.get(entry).is_some_and(|other| entry.0 == other.0))
        };
        self.shards.iter().zip(other.shards.iter()).all(same)
    }
}
