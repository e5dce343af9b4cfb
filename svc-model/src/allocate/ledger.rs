//! Who holds which number of a range with a static and a dynamic band (KEP-3070, KEP-3668).

use std::collections::{BTreeMap, BTreeSet};

use super::runs::Runs;
use super::starting_point;
use crate::ObjectName;

/// The numbers `first..=last`. The lower band, below `dynamic`, is where people choose by hand; automatic allocation
/// starts above it and enters it only when nothing else is left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub(super) first: u128,
    pub(super) last: u128,
    pub(super) dynamic: u128,
}

impl Range {
    pub(super) fn contains(&self, number: u128) -> bool {
        (self.first..=self.last).contains(&number)
    }
}

/// The ranges, in the order in which they are used up, and the holders of their numbers. A number that stands in two
/// ranges is still one number. Every operation is O(log n) in the numbers that are held.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    ranges: Vec<Range>,
    taken: Runs,
    holders: BTreeMap<u128, ObjectName>,
    held: BTreeMap<ObjectName, BTreeSet<u128>>,
}

impl Ledger {
    pub(super) fn new(range: Range) -> Self {
        Self { ranges: vec![range], ..Self::default() }
    }

    pub(super) fn add(&mut self, range: Range) {
        self.ranges.push(range);
    }

    pub(super) fn contains(&self, number: u128) -> bool {
        self.ranges.iter().any(|range| range.contains(number))
    }

    pub(super) fn holder(&self, number: u128) -> Option<&ObjectName> {
        self.holders.get(&number)
    }

    /// The first number that `owner` holds.
    pub(super) fn held_by(&self, owner: &ObjectName) -> Option<u128> {
        self.held.get(owner)?.first().copied()
    }

    /// The lowest free number of the first range that has one.
    pub(super) fn first_free(&self) -> Option<u128> {
        self.ranges.iter().find_map(|range| self.taken.first_hole(range.first, range.last))
    }

    /// Gives `number` to `owner`; the holder if that is someone else. Again for the same owner is fine.
    pub(super) fn claim(&mut self, number: u128, owner: &ObjectName) -> Result<(), ObjectName> {
        match self.holders.get(&number) {
            Some(holder) if holder != owner => return Err(holder.clone()),
            Some(_) => return Ok(()),
            None => {}
        }
        self.taken.insert(number);
        self.holders.insert(number, owner.clone());
        self.held.entry(owner.clone()).or_default().insert(number);
        Ok(())
    }

    /// Gives any free number to `owner`: of the first range that has one, from its dynamic band if that has one.
    pub(super) fn allocate(&mut self, owner: &ObjectName, seed: u64) -> Option<u128> {
        let number = self.ranges.iter().find_map(|range| self.free_in(range, owner, seed))?;
        self.claim(number, owner).ok()?;
        Some(number)
    }

    fn free_in(&self, range: &Range, owner: &ObjectName, seed: u64) -> Option<u128> {
        let upper = range.dynamic.max(range.first);
        self.free_from(upper, range.last, owner, seed).or_else(|| {
            let below = upper.checked_sub(1)?;
            self.free_from(range.first, below.min(range.last), owner, seed)
        })
    }

    /// The owner's own starting point, then the next free number, round the end.
    fn free_from(&self, low: u128, high: u128, owner: &ObjectName, seed: u64) -> Option<u128> {
        if low > high {
            return None;
        }
        let start = low + starting_point(seed, owner, (high - low).saturating_add(1));
        self.taken.first_hole(start, high).or_else(|| self.taken.first_hole(low, start))
    }

    /// Takes back everything of `owner` that is not in `keep`.
    pub(super) fn retain(&mut self, owner: &ObjectName, keep: &BTreeSet<u128>) {
        let Some(held) = self.held.get_mut(owner) else { return };
        for number in held.iter().filter(|number| !keep.contains(number)) {
            self.holders.remove(number);
            self.taken.remove(*number);
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
