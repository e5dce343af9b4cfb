//! A compiled plan: tables that can be printed, compared and followed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use rpds::RedBlackTreeMapSync as Map;
use svc_model::ObjectName;
use svc_nft::{Batch, Chain, Element, Name, Set, Table, TableId};

use super::base;
use super::change::Change;
use super::dialect::Dialect;
use super::fragment::Fragment;
use super::map;
use super::shared::Shared;
use crate::Plan;

/// Says that a table is ours: tables of our name without it belong to someone else.
pub(crate) const MARKER: &str = "managed by svc-proxy";

/// The rules of a plan: one table per family that the node has an address of.
///
/// Displays as `nft list ruleset` would. Cloning is O(1).
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    families: Vec<FamilyRules>,
}

/// One table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FamilyRules {
    pub(crate) dialect: Arc<Dialect>,
    pub(crate) fragments: Map<ObjectName, Arc<Fragment>>,
    /// How many Services use what is shared.
    pub(crate) shared: Map<Shared, usize>,
}

impl Rules {
    pub(crate) fn new(plan: &Plan, table: &Name) -> Self {
        let names = plan.services().map(|service| service.name().clone()).collect();
        let families = plan.node().families().into_iter();
        let mut rules = Self {
            families: families
                .map(|family| FamilyRules::new(Arc::new(Dialect::new(plan.node(), family, table))))
                .collect(),
        };
        rules.update(plan, &names);
        rules
    }

    /// Follows a plan whose `services` changed. O(size of these Services x log of all).
    pub fn update(&mut self, plan: &Plan, services: &BTreeSet<ObjectName>) {
        for family in &mut self.families {
            for name in services {
                family.replace(name, plan);
            }
        }
    }

    /// What turns `from` into these rules: only elements and chains that differ, in one atomic batch. `from` must be
    /// of the same node and table name. Compares all Services, but looks into those that changed only.
    #[must_use]
    pub fn diff(&self, from: &Rules) -> Batch {
        self.batch(from, |new, old| new.differing(old))
    }

    /// As [`diff`](Self::diff), where it is known which Services changed: the cost does not depend on how many there
    /// are.
    #[must_use]
    pub fn diff_of(&self, from: &Rules, services: &BTreeSet<ObjectName>) -> Batch {
        self.batch(from, |_, _| services.clone())
    }

    /// The tables as values: what a kernel should list.
    #[must_use]
    pub fn tables(&self) -> Vec<Table> {
        self.families.iter().map(FamilyRules::table).collect()
    }

    /// The same rules without these Services. O(services given x log of all).
    #[must_use]
    pub fn without<'a>(&self, services: impl IntoIterator<Item = &'a ObjectName>) -> Self {
        let mut rules = self.clone();
        for name in services {
            rules.families.iter_mut().for_each(|family| family.put(name, None));
        }
        rules
    }

    /// Only these Services, and what does not belong to any.
    #[must_use]
    pub fn only<'a>(&self, services: impl IntoIterator<Item = &'a ObjectName>) -> Self {
        let empty = |family: &FamilyRules| FamilyRules::new(Arc::clone(&family.dialect));
        let mut rules = Self { families: self.families.iter().map(empty).collect() };
        for name in services {
            for (family, all) in rules.families.iter_mut().zip(&self.families) {
                family.put(name, all.fragments.get(name).cloned());
            }
        }
        rules
    }

    /// The Services that have any part in these rules.
    #[must_use]
    pub fn services(&self) -> BTreeSet<ObjectName> {
        self.families.iter().flat_map(|family| family.fragments.keys()).cloned().collect()
    }

    /// As [`tables`](Self::tables), but only what Services put there: a part of a table.
    #[must_use]
    pub fn parts(&self) -> Vec<Table> {
        self.families.iter().map(FamilyRules::part).collect()
    }

    /// The names of the tables.
    #[must_use]
    pub fn table_ids(&self) -> Vec<TableId> {
        self.families.iter().map(|family| family.dialect.table.clone()).collect()
    }

    fn batch(
        &self,
        from: &Rules,
        services: impl Fn(&FamilyRules, &FamilyRules) -> BTreeSet<ObjectName>,
    ) -> Batch {
        let mut batch = Batch::new();
        for (new, old) in self.families.iter().zip(&from.families) {
            Change::new(new, old, &services(new, old)).write(&new.dialect, &mut batch);
        }
        batch
    }
}

impl FamilyRules {
    fn new(dialect: Arc<Dialect>) -> Self {
        Self { dialect, fragments: Map::new_sync(), shared: Map::new_sync() }
    }

    fn replace(&mut self, name: &ObjectName, plan: &Plan) {
        let new = plan.service(name).map(|service| Fragment::new(&self.dialect, service));
        self.put(name, new.filter(|fragment| !fragment.is_empty()).map(Arc::new));
    }

    fn put(&mut self, name: &ObjectName, new: Option<Arc<Fragment>>) {
        if let Some(old) = self.fragments.get(name).cloned() {
            old.shared.iter().for_each(|shared| self.release(shared));
            self.fragments.remove_mut(name);
        }
        if let Some(new) = new {
            new.shared.iter().for_each(|shared| self.hold(shared));
            self.fragments.insert_mut(name.clone(), new);
        }
    }

    fn hold(&mut self, shared: &Shared) {
        let users = self.shared.get(shared).copied().unwrap_or(0);
        self.shared.insert_mut(shared.clone(), users + 1);
    }

    fn release(&mut self, shared: &Shared) {
        match self.shared.get(shared).copied().unwrap_or(0) {
            0 | 1 => drop(self.shared.remove_mut(shared)),
            users => self.shared.insert_mut(shared.clone(), users - 1),
        }
    }

    fn differing(&self, other: &FamilyRules) -> BTreeSet<ObjectName> {
        let names = self.fragments.keys().chain(other.fragments.keys());
        let is_same = |name: &ObjectName| match (self.fragments.get(name), other.fragments.get(name)) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        names.filter(|name| !is_same(name)).cloned().collect()
    }

    fn table(&self) -> Table {
        let declared = map::Map::all(&self.dialect).map(|map| (map, map.declaration(&self.dialect)));
        let table = self.fill(declared.collect(), base::chains(&self.dialect));
        table.comment(MARKER)
    }

    fn part(&self) -> Table {
        self.fill(BTreeMap::new(), Vec::new())
    }

    /// A table of these sets and chains, and of everything that Services put there.
    fn fill(&self, mut sets: BTreeMap<map::Map, Set>, mut chains: Vec<Chain>) -> Table {
        let dialect = &self.dialect;
        let mut put =
            |map: map::Map, it| drop(sets.entry(map).or_insert_with(|| map.declaration(dialect)).insert(it));
        for fragment in self.fragments.values() {
            for (map, element) in &fragment.elements {
                put(*map, element.clone());
            }
        }
        for shared in self.shared.keys() {
            match shared {
                Shared::Element(map, key) => put(*map, Element::new(key.clone())),
                Shared::Chain(chain) => chains.push(chain.chain(dialect)),
            }
        }
        let own = || self.fragments.values();
        let table = sets.into_values().fold(Table::with_id(dialect.table.clone()), Table::set);
        let table = own().flat_map(|fragment| &fragment.sets).cloned().fold(table, Table::set);
        chains.extend(own().flat_map(|fragment| &fragment.chains).cloned());
        chains.into_iter().fold(table, Table::chain)
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tables().iter().try_for_each(|table| write!(f, "{table}"))
    }
}
