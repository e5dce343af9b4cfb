//! A compiled plan: tables that can be printed, compared and followed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rpds::RedBlackTreeMapSync as Map;
use svc_model::ObjectName;
use svc_nft::{Batch, Chain, Element, Elements, Name, Set, Table, TableId};

use super::base;
use super::change::Change;
use super::dialect::{Balancer, Dialect};
use super::fragment::{self, Fragment};
use super::map;
use super::shared::{self, Shared};
use crate::Plan;
use crate::plan::ServicePlan;

/// Says that a table is ours: tables of our name without it belong to someone else.
pub(crate) const MARKER: &str = "managed by svc-proxy";

/// The rules of a plan: one table per family that the node has an address of.
///
/// They keep the plan, not its elements: each Service's part is compiled when somebody asks for it, so that rules in force
/// cost as little memory as the plan itself. Displays as `nft list ruleset` would. Cloning is O(1).
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    families: Vec<FamilyRules>,
}

/// One table.
#[derive(Clone, Debug)]
pub(crate) struct FamilyRules {
    pub(crate) dialect: Arc<Dialect>,
    services: Map<ObjectName, Arc<ServicePlan>>,
    /// How many Services use what is shared.
    shared: Map<Shared, u32>,
}

impl Rules {
    pub(crate) fn new(plan: &Plan, table: &Name, balancer: &Balancer) -> Self {
        let names = plan.services().map(|service| service.name().clone()).collect();
        let families = plan.node().families().into_iter();
        let mut rules = Self {
            families: families
                .map(|family| Dialect::new(plan.node(), family, table, balancer.clone()))
                .map(|dialect| FamilyRules::new(Arc::new(dialect)))
                .collect(),
        };
        rules.update(plan, &names);
        rules
    }

    /// Follows a plan whose `services` changed. O(size of these Services x log of all).
    pub fn update(&mut self, plan: &Plan, services: &BTreeSet<ObjectName>) {
        for family in &mut self.families {
            for name in services {
                family.recount(name, plan.services_by_name().get(name).map(AsRef::as_ref));
            }
            // One tree for both, however many changes there were.
            family.services = plan.services_by_name().clone();
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

    /// What brings all of it into a kernel that has none of these tables: the same as loading [`tables`](Self::tables),
    /// without holding them. `more` goes into the first table.
    #[must_use]
    pub fn load(&self, more: Option<&Chain>) -> Batch {
        self.over(vec![None; self.families.len()], more)
    }

    /// What brings a kernel to these rules that lists these tables, in the order of [`table_ids`](Self::table_ids). What
    /// is right already is taken out of a listing while it is compared, so there are never two whole tables in memory.
    pub(crate) fn over(&self, listed: Vec<Option<Table>>, more: Option<&Chain>) -> Batch {
        let mut batch = Batch::new();
        for (at, (family, listed)) in self.families.iter().zip(listed).enumerate() {
            let more = more.filter(|_| at == 0);
            match listed {
                None => family.load(more, &mut batch),
                Some(listed) => _ = batch.append(family.over(listed, more)),
            }
        }
        batch
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
                family.put(name, all.services.get(name).cloned());
            }
        }
        rules
    }

    /// The Services that these rules are for.
    #[must_use]
    pub fn services(&self) -> BTreeSet<ObjectName> {
        self.families.iter().flat_map(|family| family.services.keys()).cloned().collect()
    }

    /// As [`tables`](Self::tables), but only what Services put there: a part of a table.
    #[must_use]
    pub fn parts(&self) -> Vec<Table> {
        self.families.iter().map(FamilyRules::part).collect()
    }

    /// Addresses that are the node's own for IPVS alone, by family.
    pub(crate) fn bound_addresses(&self) -> impl Iterator<Item = IpAddr> {
        let first = Shared::Bound(Ipv4Addr::UNSPECIFIED.into());
        self.families.iter().flat_map(move |family| {
            family.shared.range(first.clone()..).map_while(|(shared, _)| match shared {
                Shared::Bound(address) => Some(*address),
                _ => None,
            })
        })
    }

    /// Whether an address is one of those.
    pub(crate) fn binds(&self, address: IpAddr) -> bool {
        self.families.iter().any(|family| family.has(&Shared::Bound(address)))
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
        Self { dialect, services: Map::new_sync(), shared: Map::new_sync() }
    }

    /// What a Service asks for; nothing where there is no such Service.
    pub(crate) fn fragment(&self, name: &ObjectName) -> Fragment {
        self.services.get(name).map(|service| Fragment::new(&self.dialect, service)).unwrap_or_default()
    }

    pub(crate) fn shared(&self, name: &ObjectName) -> BTreeSet<Shared> {
        self.services.get(name).map(|service| shared::of(&self.dialect, service)).unwrap_or_default()
    }

    pub(crate) fn has(&self, shared: &Shared) -> bool {
        self.shared.contains_key(shared)
    }

    /// Whether the two have the very same plan of a Service.
    pub(crate) fn is_same(&self, other: &FamilyRules, name: &ObjectName) -> bool {
        match (self.services.get(name), other.services.get(name)) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        }
    }

    fn put(&mut self, name: &ObjectName, new: Option<Arc<ServicePlan>>) {
        self.recount(name, new.as_deref());
        match new {
            Some(new) => self.services.insert_mut(name.clone(), new),
            None => drop(self.services.remove_mut(name)),
        }
    }

    /// Notes who uses what is shared once a Service is planned so.
    fn recount(&mut self, name: &ObjectName, new: Option<&ServicePlan>) {
        let old = self.shared(name);
        let new = new.map(|service| shared::of(&self.dialect, service)).unwrap_or_default();
        old.difference(&new).for_each(|shared| self.release(shared));
        new.difference(&old).for_each(|shared| self.hold(shared));
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
        let names = self.services.keys().chain(other.services.keys());
        names.filter(|name| !self.is_same(other, name)).cloned().collect()
    }

    fn table(&self) -> Table {
        let mut table = self.frame(None);
        self.add_objects(&mut table);
        self.each_element(|map, element| insert(&mut table, map, element));
        table
    }

    /// What does not depend on Services.
    fn frame(&self, more: Option<&Chain>) -> Table {
        let table = Table::with_id(self.dialect.table.clone()).comment(MARKER);
        let sets = map::Map::all(&self.dialect).map(|map| map.declaration(&self.dialect));
        let chains = base::chains(&self.dialect).into_iter().chain(more.cloned());
        chains.fold(sets.fold(table, Table::set), Table::chain)
    }

    /// What Services put there, and the sets that it is in.
    fn part(&self) -> Table {
        let mut sets: BTreeMap<map::Map, Set> = BTreeMap::new();
        self.each_element(|map, element| {
            sets.entry(map).or_insert_with(|| map.declaration(&self.dialect)).insert(element);
        });
        let mut table = sets.into_values().fold(Table::with_id(self.dialect.table.clone()), Table::set);
        self.add_objects(&mut table);
        table
    }

    fn load(&self, more: Option<&Chain>, batch: &mut Batch) {
        let mut table = self.frame(more);
        self.add_objects(&mut table);
        let mut elements: BTreeMap<map::Map, Elements> = BTreeMap::new();
        let empty = |map: map::Map| Elements::new(&map.declaration(&self.dialect));
        self.each_element(|map, element| elements.entry(map).or_insert_with(|| empty(map)).push(&element));
        batch.load_with(&table, |batch| {
            elements.into_values().for_each(|elements| _ = batch.add_collected(table.id(), elements));
        });
    }

    fn over(&self, mut listed: Table, more: Option<&Chain>) -> Batch {
        let mut wanted = self.frame(more);
        self.add_objects(&mut wanted);
        self.each_element(|map, element| {
            let declared = wanted.find_set(map.name());
            let held = listed.find_set_mut(map.name());
            let held = held.filter(|held| declared.is_some_and(|declared| held.is_like(declared)));
            match held.filter(|held| held.get(element.key()).is_some_and(|held| held.same(&element))) {
                Some(held) => drop(held.remove(element.key())),
                None => insert(&mut wanted, map, element),
            }
        });
        wanted.diff(&listed)
    }

    fn each_element(&self, mut each: impl FnMut(map::Map, Element)) {
        for service in self.services.values() {
            fragment::elements(&self.dialect, service)
                .into_iter()
                .for_each(|(map, element)| each(map, element));
        }
        for (map, key) in self.shared.keys().filter_map(Shared::element) {
            each(map, Element::new(key));
        }
    }

    /// Puts in the sets and chains that Services have for themselves, and the chains that they share.
    fn add_objects(&self, table: &mut Table) {
        let own = self.services.values().map(|service| fragment::objects(&self.dialect, service));
        let (sets, chains): (Vec<_>, Vec<_>) = own.unzip();
        sets.into_iter().flatten().for_each(|set| table.insert_set(set));
        let shared = self.shared.keys().filter_map(|shared| shared.chain(&self.dialect));
        shared.chain(chains.into_iter().flatten()).for_each(|chain| table.insert_chain(chain));
    }
}

/// Two are equal when they do the same, whatever plans they were made from.
impl PartialEq for FamilyRules {
    fn eq(&self, other: &Self) -> bool {
        let same = |name: &ObjectName| {
            self.shared(name) == other.shared(name) && self.fragment(name) == other.fragment(name)
        };
        self.dialect == other.dialect && self.differing(other).iter().all(same)
    }
}

fn insert(table: &mut Table, map: map::Map, element: Element) {
    if let Some(set) = table.find_set_mut(map.name()) {
        set.insert(element);
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tables().iter().try_for_each(|table| write!(f, "{table}"))
    }
}
