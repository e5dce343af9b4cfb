//! Sets of numbers as maximal runs of neighbours: where the next hole is, is one look-up.

use std::collections::BTreeMap;

/// First number of each run -> last number. Runs neither touch nor overlap.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Runs(BTreeMap<u128, u128>);

impl Runs {
    /// The run that holds `number`. O(log runs).
    fn around(&self, number: u128) -> Option<(u128, u128)> {
        let (first, last) = self.0.range(..=number).next_back()?;
        (*last >= number).then_some((*first, *last))
    }

    /// O(log runs).
    pub(super) fn insert(&mut self, number: u128) {
        if self.around(number).is_some() {
            return;
        }
        let before = number.checked_sub(1).and_then(|before| self.around(before));
        let after = number.checked_add(1).and_then(|after| self.around(after));
        let last = after.map_or(number, |(first, last)| {
            self.0.remove(&first);
            last
        });
        self.0.insert(before.map_or(number, |(first, _)| first), last);
    }

    /// O(log runs).
    pub(super) fn remove(&mut self, number: u128) {
        let Some((first, last)) = self.around(number) else { return };
        self.0.remove(&first);
        if first < number {
            self.0.insert(first, number - 1);
        }
        if number < last {
            self.0.insert(number + 1, last);
        }
    }

    /// The first number of `low..=high` that is not in the set. O(log runs), however many are.
    pub(super) fn first_hole(&self, low: u128, high: u128) -> Option<u128> {
        let hole = match self.around(low) {
            Some((_, last)) => last.checked_add(1)?,
            None => low,
        };
        (hole <= high).then_some(hole)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_are_a_set(edits in prop::collection::vec((any::<bool>(), 0..24_u128), 0..80), low in 0..24_u128) {
            let (mut runs, mut set) = (Runs::default(), BTreeSet::new());
            for (insert, number) in edits {
                if insert {
                    runs.insert(number);
                    set.insert(number);
                } else {
                    runs.remove(number);
                    set.remove(&number);
                }
                prop_assert_eq!(runs.first_hole(low, 23), (low..24).find(|number| !set.contains(number)));
                let numbers: Vec<_> = runs.0.iter().flat_map(|(first, last)| *first..=*last).collect();
                prop_assert_eq!(numbers, set.iter().copied().collect::<Vec<_>>());
                let touching = runs.0.values().any(|last| runs.0.contains_key(&(last + 1)));
                prop_assert!(!touching, "{:?}", runs);
            }
        }
    }

    #[test]
    fn the_last_number_there_is() {
        let mut runs = Runs::default();
        runs.insert(u128::MAX);
        runs.insert(u128::MAX - 1);
        assert_eq!(runs.first_hole(u128::MAX - 1, u128::MAX), None);
        runs.remove(u128::MAX);
        assert_eq!(runs.first_hole(u128::MAX - 1, u128::MAX), Some(u128::MAX));
    }
}
