//! From one compiled plan to another: what differs, as one batch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use svc_model::ObjectName;
use svc_nft::{Batch, Chain, Element, Key, Name, Set};

use super::dialect::Dialect;
use super::fragment::Fragment;
use super::map::Map;
use super::rules::FamilyRules;
use super::shared::{Shared, SharedChain};

/// What differs between two tables.
#[derive(Debug, Default)]
pub(crate) struct Change {
    new_sets: Vec<Set>,
    old_sets: Vec<Set>,
    new_chains: Vec<Chain>,
    /// Chains that stay, with other rules.
    changed_chains: Vec<Chain>,
    old_chains: Vec<Name>,
    new_elements: BTreeMap<Map, Vec<Element>>,
    old_elements: BTreeMap<Map, Vec<Key>>,
    new_shared: Vec<SharedChain>,
}

impl Change {
    /// Compares the parts of these Services.
    pub(crate) fn new(new: &FamilyRules, old: &FamilyRules, services: &BTreeSet<ObjectName>) -> Self {
        let mut change = Change::default();
        let nothing = Arc::new(Fragment::default());
        let mut shared = BTreeSet::new();
        for name in services {
            let before = old.fragments.get(name).unwrap_or(&nothing);
            let after = new.fragments.get(name).unwrap_or(&nothing);
            change.compare(before, after);
            shared.extend(before.shared.iter().chain(&after.shared));
        }
        for item in shared {
            match (old.shared.contains_key(item), new.shared.contains_key(item)) {
                (false, true) => change.add_shared(item),
                (true, false) => change.remove_shared(item),
                _ => {}
            }
        }
        change
    }

    /// Sets before chains that use them, chains before elements and rules that lead to them; and back.
    pub(crate) fn write(self, dialect: &Dialect, batch: &mut Batch) {
        let table = &dialect.table;
        let shared: Vec<_> = self.new_shared.iter().map(|chain| chain.chain(dialect)).collect();
        for set in &self.new_sets {
            batch.add_set(table, set);
        }
        for chain in shared.iter().chain(&self.new_chains) {
            batch.add_chain(table, chain);
        }
        for chain in &self.changed_chains {
            batch.flush_chain(table, chain.name());
        }
        for chain in shared.iter().chain(&self.new_chains).chain(&self.changed_chains) {
            for rule in chain.rules() {
                batch.add_rule(table, chain.name(), rule.clone());
            }
        }
        for (map, keys) in self.old_elements {
            batch.delete_elements(table, &map.declaration(dialect), keys);
        }
        for (map, elements) in self.new_elements {
            batch.add_elements(table, &map.declaration(dialect), elements);
        }
        // They may lead to one another.
        for chain in &self.old_chains {
            batch.flush_chain(table, chain);
        }
        for chain in &self.old_chains {
            batch.delete_chain(table, chain);
        }
        for set in &self.old_sets {
            batch.delete_set(table, set);
        }
    }

    fn compare(&mut self, old: &Arc<Fragment>, new: &Arc<Fragment>) {
        if Arc::ptr_eq(old, new) {
            return;
        }
        self.compare_elements(&old.elements, &new.elements);
        let find = |chains: &[Chain], name: &Name| chains.iter().position(|chain| chain.name() == name);
        for chain in &new.chains {
            match find(&old.chains, chain.name()) {
                None => self.new_chains.push(chain.clone()),
                Some(at) if old.chains[at] != *chain => self.changed_chains.push(chain.clone()),
                Some(_) => {}
            }
        }
        let gone = old.chains.iter().filter(|chain| find(&new.chains, chain.name()).is_none());
        self.old_chains.extend(gone.map(|chain| chain.name().clone()));
        let lacks = |sets: &[Set], set: &Set| !sets.iter().any(|other| other.name() == set.name());
        self.new_sets.extend(new.sets.iter().filter(|set| lacks(&old.sets, set)).cloned());
        self.old_sets.extend(old.sets.iter().filter(|set| lacks(&new.sets, set)).cloned());
    }

    /// Walks two sorted lists side by side.
    fn compare_elements(&mut self, old: &[(Map, Element)], new: &[(Map, Element)]) {
        let position = |(map, element): &(Map, Element)| (*map, element.key().clone());
        let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(a), Some(b)) => position(a).cmp(&position(b)),
            };
            let gone = if order.is_le() { old.next() } else { None };
            let come = if order.is_ge() { new.next() } else { None };
            if gone.map(|(_, element)| element) != come.map(|(_, element)| element) {
                gone.into_iter().for_each(|(map, element)| self.remove(*map, element.key()));
                come.into_iter().for_each(|(map, element)| self.add(*map, element.clone()));
            }
        }
    }

    fn add(&mut self, map: Map, element: Element) {
        self.new_elements.entry(map).or_default().push(element);
    }

    fn remove(&mut self, map: Map, key: &Key) {
        self.old_elements.entry(map).or_default().push(key.clone());
    }

    fn add_shared(&mut self, shared: &Shared) {
        match shared {
            Shared::Chain(chain) => self.new_shared.push(*chain),
            Shared::Element(map, key) => self.add(*map, Element::new(key.clone())),
        }
    }

    fn remove_shared(&mut self, shared: &Shared) {
        match shared {
            Shared::Chain(chain) => self.old_chains.push(chain.name()),
            Shared::Element(map, key) => self.remove(*map, key),
        }
    }
}
