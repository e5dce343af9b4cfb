//! From one compiled plan to another: what differs, as one batch.

use std::collections::{BTreeMap, BTreeSet};

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
        let mut shared = BTreeSet::new();
        for name in services.iter().filter(|name| !new.is_same(old, name)) {
            change.compare(old.fragment(name), new.fragment(name));
            shared.extend(old.shared(name));
            shared.extend(new.shared(name));
        }
        for item in shared {
            match (old.has(&item), new.has(&item)) {
                (false, true) => change.add_shared(&item),
                (true, false) => change.remove_shared(&item),
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

    fn compare(&mut self, old: Fragment, new: Fragment) {
        self.compare_elements(old.elements, new.elements);
        let find = |chains: &[Chain], name: &Name| chains.iter().position(|chain| chain.name() == name);
        let lacks = |sets: &[Set], set: &Set| !sets.iter().any(|other| other.name() == set.name());
        let gone = old.chains.iter().filter(|chain| find(&new.chains, chain.name()).is_none());
        self.old_chains.extend(gone.map(|chain| chain.name().clone()));
        self.old_sets.extend(old.sets.iter().filter(|set| lacks(&new.sets, set)).cloned());
        for chain in new.chains {
            match find(&old.chains, chain.name()) {
                None => self.new_chains.push(chain),
                Some(at) if old.chains[at] != chain => self.changed_chains.push(chain),
                Some(_) => {}
            }
        }
        self.new_sets.extend(new.sets.into_iter().filter(|set| lacks(&old.sets, set)));
    }

    /// Walks two sorted lists side by side.
    fn compare_elements(&mut self, old: Vec<(Map, Element)>, new: Vec<(Map, Element)>) {
        let position = |(map, element): &(Map, Element)| (*map, element.key().clone());
        let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(a), Some(b)) => position(a).cmp(&position(b)),
            };
            let gone = if order.is_le() { old.next() } else { None };
            let come = if order.is_ge() { new.next() } else { None };
            if gone.as_ref().map(|(_, element)| element) != come.as_ref().map(|(_, element)| element) {
                gone.into_iter().for_each(|(map, element)| self.remove(map, element.key().clone()));
                come.into_iter().for_each(|(map, element)| self.add(map, element));
            }
        }
    }

    fn add(&mut self, map: Map, element: Element) {
        self.new_elements.entry(map).or_default().push(element);
    }

    fn remove(&mut self, map: Map, key: Key) {
        self.old_elements.entry(map).or_default().push(key);
    }

    fn add_shared(&mut self, shared: &Shared) {
        match (shared, shared.element()) {
            (Shared::Chain(chain), _) => self.new_shared.push(*chain),
            (_, element) => element.into_iter().for_each(|(map, key)| self.add(map, Element::new(key))),
        }
    }

    fn remove_shared(&mut self, shared: &Shared) {
        match (shared, shared.element()) {
            (Shared::Chain(chain), _) => self.old_chains.push(chain.name()),
            (_, element) => element.into_iter().for_each(|(map, key)| self.remove(map, key)),
        }
    }
}
