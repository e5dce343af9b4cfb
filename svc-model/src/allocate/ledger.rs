//! Who holds which number of a range with a static and a dynamic band (KEP-3070, KEP-3668).

use std::collections::{BTreeMap, BTreeSet};

use super::starting_point;
use crate::ObjectName;

/// The numbers `first..=last`. The lower band, below `dynamic`, is where people choose by hand; automatic allocation
/// starts above it and enters it only when nothing else is left.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    first: u128,
    last: u128,
    dynamic: u128,
    holders: BTreeMap<u128, ObjectName>,
    held: BTreeMap<ObjectName, BTreeSet<u128>>,
}

impl Ledger {
    pub(super) fn new(first: u128, last: u128, dynamic: u128) -> Self {
        Self { first, last, dynamic, holders: BTreeMap::new(), held: BTreeMap::new() }
    }

    pub(super) fn contains(&self, number: u128) -> bool {
        (self.first..=self.last).contains(&number)
    }

    pub(super) fn holder(&self, number: u128) -> Option<&ObjectName> {
        self.holders.get(&number)
    }

    /// Gives `number` to `owner`; the holder if that is someone else. Again for the same owner is fine.
    pub(super) fn claim(&mut self, number: u128, owner: &ObjectName) -> Result<(), ObjectName> {
        match self.holders.get(&number) {
            Some(holder) if holder != owner => Err(holder.clone()),
            _ => {
                self.holders.insert(number, owner.clone());
                self.held.entry(owner.clone()).or_default().insert(number);
                Ok(())
            }
        }
    }

    /// Gives any free number to `owner`. O(log n), or the length of the run of taken numbers it lands in.
    pub(super) fn allocate(&mut self, owner: &ObjectName, seed: u64) -> Option<u128> {
        let upper = self.dynamic.max(self.first);
        let number = self.free_from(upper, self.last, owner, seed).or_else(|| {
            let below = upper.checked_sub(1)?;
            self.free_from(self.first, below, owner, seed)
        })?;
        self.claim(number, owner).ok()?;
        Some(number)
    }

    /// The owner's own starting point, then the next free number, round the end.
    fn free_from(&self, low: u128, high: u128, owner: &ObjectName, seed: u64) -> Option<u128> {
        if low > high {
            return None;
        }
        let start = low + starting_point(seed, owner, (high - low).saturating_add(1));
        self.first_free(start, high).or_else(|| self.first_free(low, start))
    }

    fn first_free(&self, low: u128, high: u128) -> Option<u128> {
        let mut candidate = low;
        for taken in self.holders.range(low..=high).map(|(number, _)| *number) {
            if taken != candidate {
                break;
            }
            candidate += 1;
        }
        (candidate <= high).then_some(candidate)
    }

    /// Takes back everything of `owner` that is not in `keep`.
    pub(super) fn retain(&mut self, owner: &ObjectName, keep: &BTreeSet<u128>) {
        let Some(held) = self.held.get_mut(owner) else { return };
        for number in held.iter().filter(|number| !keep.contains(number)) {
            self.holders.remove(number);
        }
        held.retain(|number| keep.contains(number));
        if held.is_empty() {
            self.held.remove(owner);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.holders.len()
    }
}
