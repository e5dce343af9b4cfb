//! What may differ where Services changed: their own chains, and those on the ways that lead to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use svc_model::{AddressType, ObjectName};
use svc_nft::ipset::IpSet;

use super::family::FamilyRules;
use super::fragment::Fragment;
use super::rule::Rule;
use super::table::{Chain, TableName, Tables};
use super::tree::{Causes, Dispatcher, Key, Node};

/// All chains and sets that may be others.
#[derive(Debug, Default)]
pub(super) struct Around {
    chains: BTreeMap<Place, Chain>,
    sets: Vec<IpSet>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    table: TableName,
    name: Arc<str>,
    node: Option<Node>,
}

impl Around {
    /// Those of these Services, and those that may differ when rules at these keys do.
    pub(super) fn new(
        family: &FamilyRules,
        services: &BTreeSet<ObjectName>,
        touched: &BTreeMap<Key, BTreeSet<ObjectName>>,
        causes: &mut Causes,
    ) -> Self {
        let mut around = Self::default();
        let mut parts = Parts { family, fragments: BTreeMap::new() };
        for service in services {
            for (table, name, chain) in parts.of(service).chains.clone() {
                causes.entry((table, name.clone())).or_default().insert(service.clone());
                around.chains.insert(Place { table, name, node: None }, chain);
            }
            around.sets.extend(parts.of(service).sets.iter().cloned());
        }
        let mut rules = |key: Key, services: &[ObjectName], all: &mut Vec<Rule>| {
            services.iter().for_each(|service| parts.add(key, service, all));
        };
        let mut nodes = BTreeMap::<Node, BTreeSet<ObjectName>>::new();
        let mut roots = BTreeMap::<(TableName, &str), BTreeSet<ObjectName>>::new();
        for ((dispatcher, key), services) in touched {
            roots.entry(dispatcher.root()).or_default().extend(services.iter().cloned());
            for node in family.tree(*dispatcher).around(*key) {
                nodes.entry(node).or_default().extend(services.iter().cloned());
            }
        }
        for (node, services) in nodes {
            let tree = family.tree(node.dispatcher);
            let (table, name) = (node.dispatcher.root().0, tree.name(node));
            causes.entry((table, name.clone())).or_default().extend(services);
            let place = Place { table, name, node: Some(node) };
            around.chains.insert(place, Chain::new(tree.rules(node, &mut rules)));
        }
        let base = family.base();
        for ((table, name), services) in roots {
            let mut all = base.chain(table, name).map(|chain| chain.rules.clone()).unwrap_or_default();
            for dispatcher in Dispatcher::all().filter(|dispatcher| dispatcher.root() == (table, name)) {
                let mut before = family.tree(dispatcher).root_rules(&mut rules);
                before.append(&mut all);
                all = before;
            }
            let name: Arc<str> = name.into();
            causes.entry((table, name.clone())).or_default().extend(services);
            around.chains.insert(Place { table, name, node: None }, Chain::new(all));
        }
        around
    }

    /// What is elsewhere in the tree now is still there.
    pub(super) fn without_moved(mut self, to: &Self, family: &FamilyRules) -> Self {
        self.chains.retain(|place, _| {
            let moved = place.node.is_some_and(|node| family.tree(node.dispatcher).has(node));
            !moved || to.chains.contains_key(place)
        });
        self
    }

    pub(super) fn tables(self, family: AddressType) -> Tables {
        let mut tables = Tables::new(family);
        self.chains.into_iter().for_each(|(place, chain)| tables.insert(place.table, place.name, chain));
        self.sets.into_iter().for_each(|set| tables.insert_set(set));
        tables
    }
}

/// Services' parts, each compiled once.
struct Parts<'a> {
    family: &'a FamilyRules,
    fragments: BTreeMap<ObjectName, Fragment>,
}

impl Parts<'_> {
    fn of(&mut self, service: &ObjectName) -> &Fragment {
        let compile = || self.family.fragment(service);
        self.fragments.entry(service.clone()).or_insert_with(compile)
    }

    fn add(&mut self, key: Key, service: &ObjectName, all: &mut Vec<Rule>) {
        let entries = self.of(service).entries.iter();
        all.extend(entries.filter(|(at, _)| *at == key).map(|(_, rule)| rule.clone()));
    }
}
