//! Entries by key: a trie of two levels over sorted leaves.
//!
//! A snapshot of it is one pointer. A change copies one path (64 pointers, 64 pointers, one leaf), whatever the table holds; a
//! lookup is two indexed loads and a leaf that fits a cache line or two. A persistent hash trie changes as fast and is looked up
//! several times slower; lookups are what there is most of.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, LazyLock},
};

/// What is in a [`Table`].
pub(super) trait Keyed {
    /// The key.
    fn key(&self) -> &[u8];
}

const FANOUT: usize = 64;

/// Entries by their keys. Equal when all entries are: where one stands follows from its key alone.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table<E> {
    branches: Arc<[Arc<Branch<E>>; FANOUT]>,
    seed: u64,
}

type Branch<E> = [Leaf<E>; FANOUT];
/// Sorted by hash, then key.
type Leaf<E> = Arc<[Slot<E>]>;

#[derive(Clone, Debug, PartialEq)]
struct Slot<E> {
    /// The lower half: most other keys of the leaf are told apart without looking at them.
    hash: u32,
    entry: E,
}

/// One for the process: names of Services come from users, who could make many of them meet if they knew it.
static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("table"));

/// Keys that are looked up side by side: a batch of queries.
#[cfg(feature = "driver")]
pub(super) const TOGETHER: usize = 32;

/// Larger leaves are searched by halves.
const SHORT: usize = 16;

impl<E: Keyed + Clone> Table<E> {
    pub(super) fn new() -> Self {
        let branch: Arc<Branch<E>> = Arc::new(std::array::from_fn(|_| Arc::default()));
        Self { branches: Arc::new(std::array::from_fn(|_| Arc::clone(&branch))), seed: *SEED }
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&E> {
        let place = Place::of(self.seed, key);
        let leaf = &self.branches[place.branch][place.leaf];
        let first = if leaf.len() > SHORT { leaf.partition_point(|slot| slot.hash < place.hash) } else { 0 };
        let mut slots = leaf[first..].iter();
        slots.find(|slot| slot.hash == place.hash && slot.entry.key() == key).map(|slot| &slot.entry)
    }

    /// Brings what these keys lead to near: up to [`TOGETHER`] of them. A look-up waits for memory three times, each time for what
    /// the last one told; here all keys wait at the same time.
    #[cfg(feature = "driver")]
    pub(super) fn approach<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) {
        let mut leaves: [(&[Slot<E>], u32); TOGETHER] = [(&[], 0); TOGETHER];
        for (leaf, key) in leaves.iter_mut().zip(keys) {
            let place = Place::of(self.seed, key);
            *leaf = (&self.branches[place.branch][place.leaf], place.hash);
        }
        let slots = leaves.map(|(leaf, hash)| leaf.iter().find(|slot| slot.hash == hash));
        for slot in slots.iter().flatten() {
            let key = slot.entry.key();
            std::hint::black_box((key.first(), key.last()));
        }
    }

    pub(super) fn insert(&mut self, entry: E) {
        let place = Place::of(self.seed, entry.key());
        let order = |slot: &Slot<E>| (slot.hash, slot.entry.key()) < (place.hash, entry.key());
        let leaf = self.leaf_mut(place);
        let at = leaf.partition_point(order);
        let same = leaf.get(at).is_some_and(|slot| slot.entry.key() == entry.key());
        let (before, behind) = (&leaf[..at], &leaf[at + usize::from(same)..]);
        let slot = Slot { hash: place.hash, entry };
        *leaf = before.iter().cloned().chain([slot]).chain(behind.iter().cloned()).collect();
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        if self.get(key).is_some() {
            let leaf = self.leaf_mut(Place::of(self.seed, key));
            *leaf = leaf.iter().filter(|slot| slot.entry.key() != key).cloned().collect();
        }
    }

    /// All entries, in no order that means anything.
    pub(super) fn iter(&self) -> impl Iterator<Item = &E> {
        self.branches
            .iter()
            .flat_map(|branch| branch.iter())
            .flat_map(|leaf| leaf.iter().map(|slot| &slot.entry))
    }

    fn leaf_mut(&mut self, place: Place) -> &mut Leaf<E> {
        &mut Arc::make_mut(&mut Arc::make_mut(&mut self.branches)[place.branch])[place.leaf]
    }

    /// Bytes on the heap, those behind the entries not counted.
    pub(super) fn heap_bytes(&self) -> usize {
        let mut branches: Vec<_> = self.branches.iter().map(Arc::as_ptr).collect();
        branches.sort();
        branches.dedup();
        let leaves = self.branches.iter().flat_map(|branch| branch.iter()).filter(|leaf| !leaf.is_empty());
        let slots: usize = leaves.map(|leaf| COUNTERS + leaf.len() * size_of::<Slot<E>>()).sum();
        slots + branches.len() * (COUNTERS + size_of::<Branch<E>>())
    }
}

/// In front of what an `Arc` holds.
pub(super) const COUNTERS: usize = 2 * size_of::<usize>();

/// Where a key belongs.
#[derive(Clone, Copy)]
struct Place {
    branch: usize,
    leaf: usize,
    hash: u32,
}

impl Place {
    #[expect(clippy::cast_possible_truncation, reason = "six bits, six bits and the lower half are wanted")]
    fn of(seed: u64, key: &[u8]) -> Self {
        let hash = hash(seed, key);
        Self { branch: (hash >> 58) as usize, leaf: (hash >> 52) as usize % FANOUT, hash: hash as u32 }
    }
}

/// Eight bytes at a time, each step a multiplication whose halves are folded.
fn hash(seed: u64, key: &[u8]) -> u64 {
    let (chunks, rest) = key.as_chunks::<8>();
    let state = chunks.iter().fold(seed, |state, chunk| fold(state ^ u64::from_le_bytes(*chunk)));
    let last = match key.last_chunk::<8>() {
        // Some of them once more: cheaper than to gather those that are left.
        Some(last) => u64::from_le_bytes(*last),
        None => rest.iter().fold(0, |last, &byte| last << 8 | u64::from(byte)),
    };
    fold(fold(state ^ last) ^ key.len() as u64)
}

#[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
fn fold(word: u64) -> u64 {
    let wide = u128::from(word) * 0x9e37_79b9_7f4a_7c15_u128;
    (wide >> 64) as u64 ^ wide as u64
}
