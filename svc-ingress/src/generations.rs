//! A map that forgets: bounded memory for what is known of clients, who may be any number.

use std::collections::HashMap;
use std::hash::Hash;

#[cfg(test)]
mod tests;

/// Holds at most so many entries. Those of two generations are known; when the younger is full, the older is forgotten as
/// a whole, so whatever was used among the last half of the capacity is still there. O(1).
#[derive(Debug)]
pub struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    capacity: usize,
}

impl<K: Hash + Eq, V> Generations<K, V> {
    /// An empty map of at most `capacity` entries, at least two.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), capacity: capacity.max(2) }
    }

    /// How many entries are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An entry, which counts as used.
    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        if let Some(value) = self.old.remove(&key) {
            return Some(self.insert(key, value));
        }
        self.young.get_mut(&key)
    }

    /// Puts an entry, and gives it back.
    pub fn insert(&mut self, key: K, value: V) -> &mut V {
        if self.young.len() >= self.capacity / 2 && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&key);
        let place = self.young.entry(key);
        match place {
            std::collections::hash_map::Entry::Occupied(mut entry) => {
                entry.insert(value);
                entry.into_mut()
            }
            std::collections::hash_map::Entry::Vacant(entry) => entry.insert(value),
        }
    }
}
