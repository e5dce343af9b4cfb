//! What makes one table into another.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Batch, Chain, Element, Key, Name, Rule, Set, SetFlag, Table};

impl Table {
    /// The commands that make `current`, as listed, into this table; all of it if there is none.
    ///
    /// Chains whose rules are the same but for counters stay untouched; others are rewritten whole. Of sets that keep
    /// their type only the elements that differ are sent. What rules put into [dynamic](SetFlag::Dynamic) sets stays.
    /// The commands come in an order in which every reference holds, and take effect at once: no packet meets a table
    /// that is half new. Comments of tables, chains and sets that exist cannot be changed and do not count.
    #[must_use]
    pub fn diff<'a>(&self, current: impl Into<Option<&'a Self>>) -> Batch {
        let mut batch = Batch::new();
        match current.into() {
            None => {
                batch.load(self);
            }
            Some(current) => Change::new(current, self).write(&mut batch),
        }
        batch
    }
}

/// Two tables, and the names of what has to go, come or be made anew.
struct Change<'a> {
    wanted: &'a Table,
    old_sets: BTreeMap<&'a Name, &'a Set>,
    new_sets: BTreeMap<&'a Name, &'a Set>,
    old_chains: BTreeMap<&'a Name, &'a Chain>,
    new_chains: BTreeMap<&'a Name, &'a Chain>,
    /// Sets that are there and may stay.
    kept_sets: BTreeSet<&'a Name>,
    /// Chains that are there and may stay.
    kept_chains: BTreeSet<&'a Name>,
}

impl<'a> Change<'a> {
    fn new(current: &'a Table, wanted: &'a Table) -> Self {
        let sets =
            |table: &'a Table| table.sets().iter().map(|set| (set.name(), set)).collect::<BTreeMap<_, _>>();
        let chains = |table: &'a Table| {
            table.chains().iter().map(|chain| (chain.name(), chain)).collect::<BTreeMap<_, _>>()
        };
        let (old_sets, new_sets) = (sets(current), sets(wanted));
        let (old_chains, new_chains) = (chains(current), chains(wanted));
        let kept_sets =
            old_sets.iter().filter(|(name, old)| new_sets.get(*name).is_some_and(|new| old.is_like(new)));
        let kept_sets = kept_sets.map(|(name, _)| *name).collect();
        let kept_chains = old_chains
            .iter()
            .filter(|(name, old)| new_chains.get(*name).is_some_and(|new| same_place(old, new)));
        let kept_chains = kept_chains.map(|(name, _)| *name).collect();
        Self { wanted, old_sets, new_sets, old_chains, new_chains, kept_sets, kept_chains }
    }

    fn write(&self, batch: &mut Batch) {
        let id = self.wanted.id();
        for chain in self.wanted.chains() {
            let old = self.old_chains.get(chain.name());
            if old.is_none_or(|old| self.kept_chains.contains(chain.name()) && policy(old) != policy(chain)) {
                batch.add_chain(id, chain);
            }
        }
        self.remove(batch);
        for chain in self.wanted.chains() {
            if self.old_chains.contains_key(chain.name()) && !self.kept_chains.contains(chain.name()) {
                batch.add_chain(id, chain);
            }
        }
        for set in self.wanted.sets().iter().filter(|set| !self.kept_sets.contains(set.name())) {
            batch.add_set(id, set);
        }
        for set in self.wanted.sets() {
            batch.add_elements(id, set, self.new_elements(set).cloned());
        }
        for chain in self.wanted.chains().iter().filter(|chain| self.is_rewritten(chain)) {
            for rule in chain.rules() {
                batch.add_rule(id, chain.name(), rule.clone());
            }
        }
    }

    /// First what refers to others, then what was referred to.
    fn remove(&self, batch: &mut Batch) {
        let id = self.wanted.id();
        for (name, old) in &self.old_chains {
            let rewritten = self.new_chains.get(name).is_none_or(|new| self.is_rewritten(new));
            if rewritten && !old.rules().is_empty() {
                batch.flush_chain(id, *name);
            }
        }
        for (name, old) in self.old_sets.iter().filter(|(name, _)| self.kept_sets.contains(*name)) {
            if let Some(new) = self.new_sets.get(name) {
                batch.delete_elements(id, old, gone(old, new));
            }
        }
        for old in self.old_sets.values().filter(|old| !self.kept_sets.contains(old.name())) {
            batch.delete_set(id, old);
        }
        for name in self.old_chains.keys().filter(|name| !self.kept_chains.contains(*name)) {
            batch.delete_chain(id, *name);
        }
    }

    /// Whether the rules of a wanted chain have to be sent.
    fn is_rewritten(&self, new: &Chain) -> bool {
        let Some(old) = self.old_chains.get(new.name()).filter(|_| self.kept_chains.contains(new.name()))
        else {
            return true;
        };
        let same = old.rules().len() == new.rules().len()
            && old.rules().iter().zip(new.rules()).all(|(old, new)| old.same(new));
        !same || old.rules().iter().any(|rule| self.loses_a_set(rule))
    }

    /// Whether a rule uses a set that has to go, if only to come back with another type.
    fn loses_a_set(&self, rule: &Rule) -> bool {
        rule.statements()
            .iter()
            .flat_map(|statement| statement.sets())
            .any(|set| self.old_sets.contains_key(set) && !self.kept_sets.contains(set))
    }

    /// The elements of a wanted set that are not there as they should be.
    fn new_elements(&self, new: &'a Set) -> impl Iterator<Item = &'a Element> {
        let old = self.old_sets.get(new.name()).filter(|_| self.kept_sets.contains(new.name())).copied();
        new.elements().filter(move |element| {
            let present = old.and_then(|old| old.get(element.key()));
            !present.is_some_and(|present| stays(new, present, element))
        })
    }
}

/// The keys of elements that are no longer wanted, or wanted otherwise.
fn gone(old: &Set, new: &Set) -> Vec<Key> {
    let is_gone = |element: &&Element| match new.get(element.key()) {
        Some(wanted) => !stays(new, element, wanted),
        None => !new.has(SetFlag::Dynamic),
    };
    old.elements().filter(is_gone).map(|element| element.key().clone()).collect()
}

/// Whether an element that is there will do. In dynamic sets, what the packet path wrote counts.
fn stays(set: &Set, present: &Element, wanted: &Element) -> bool {
    set.has(SetFlag::Dynamic) || present.same(wanted)
}

/// Whether one chain can become the other without being deleted.
fn same_place(old: &Chain, new: &Chain) -> bool {
    match (old.hook(), new.hook()) {
        (None, None) => true,
        (Some(old), Some(new)) => {
            (old.chain_type, old.hook, old.priority) == (new.chain_type, new.hook, new.priority)
        }
        _ => false,
    }
}

fn policy(chain: &Chain) -> Option<crate::Policy> {
    chain.hook().map(|base| base.policy)
}
