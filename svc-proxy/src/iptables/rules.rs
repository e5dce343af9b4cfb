//! A compiled plan: tables that can be printed, compared and followed.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

use rpds::RedBlackTreeMapSync as Map;
use svc_model::{AddressType, ObjectName};
use svc_nft::ipset::IpSet;

use super::change::Change;
use super::dialect::Dialect;
use super::fragment::Fragment;
use super::lead;
use super::rule::Rule;
use super::table::{Chain, TableName, Tables};
use super::tree::{Causes, Dispatcher, Key, Keys, Node, Tree};
use super::{Backend, base};
use crate::Plan;
use crate::plan::ServicePlan;

/// The rules of a plan: all tables of each family that the node has.
///
/// They keep the plan, not its chains: those are compiled when somebody asks for them. Displays as the input of
/// `iptables-restore`, the families one after the other. Cloning is O(1).
///
/// ```
/// use svc_model::{Snapshot, yaml};
/// use svc_proxy::{Node, Plan, iptables, trace::Outcome};
///
/// let manifests = yaml::read("
/// {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {clusterIP: 10.96.0.80, ports: [{port: 80}]}}
/// ---
/// {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
///  metadata: {name: web-1, labels: {kubernetes.io/service-name: web}},
///  ports: [{port: 9376}], endpoints: [{addresses: [10.244.2.65]}]}");
/// let snapshot: Snapshot = manifests.stored().0.into_iter().collect();
/// let node = Node::builder("server2").address("172.20.10.2").build()?;
/// let rules = Plan::new(&snapshot, &node).compile(&iptables::Backend::default());
/// assert!(rules.to_string().contains("-j DNAT --to-destination 10.244.2.65:9376"));
/// let trace = rules.trace(&"TCP 203.0.113.7 10.96.0.80:80".parse()?)?;
/// assert_eq!(trace.outcome(), Outcome::Forward);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rules {
    families: Vec<FamilyRules>,
}

/// One family.
#[derive(Clone, Debug)]
struct FamilyRules {
    dialect: Arc<Dialect>,
    services: Map<ObjectName, Arc<ServicePlan>>,
    keys: Keys,
}

impl Rules {
    pub(crate) fn new(plan: &Plan, backend: &Backend) -> Self {
        let names = plan.services().map(|service| service.name().clone()).collect();
        let family = |family| FamilyRules {
            dialect: Arc::new(Dialect::new(plan.node(), family, backend)),
            services: Map::new_sync(),
            keys: Map::new_sync(),
        };
        let mut rules = Self { families: plan.node().families().into_iter().map(family).collect() };
        rules.update(plan, &names);
        rules
    }

    /// Follows a plan whose `services` changed. O(size of these Services x log of all).
    pub fn update(&mut self, plan: &Plan, services: &BTreeSet<ObjectName>) {
        for family in &mut self.families {
            for name in services {
                family.move_keys(name, plan.services_by_name().get(name).map(Arc::as_ref));
            }
            // One tree for both families, however many changes there were.
            family.services = plan.services_by_name().clone();
        }
    }

    /// What turns `from` into these rules, family by family: only chains that differ. `from` must be of the same node and
    /// back end. Compares all Services, but looks into those that changed only.
    #[must_use]
    pub fn diff(&self, from: &Rules) -> Vec<Change> {
        self.each(from, |new, old| new.differing(old))
    }

    /// As [`diff`](Self::diff), where it is known which Services changed.
    #[must_use]
    pub fn diff_of(&self, from: &Rules, services: &BTreeSet<ObjectName>) -> Vec<Change> {
        self.each(from, |_, _| services.clone())
    }

    /// The tables as values, by family: what is ours of what `iptables-save` should list.
    #[must_use]
    pub fn tables(&self) -> Vec<Tables> {
        self.families.iter().map(FamilyRules::tables).collect()
    }

    /// The same rules without these Services.
    #[must_use]
    pub fn without<'a>(&self, services: impl IntoIterator<Item = &'a ObjectName>) -> Self {
        let mut rules = self.clone();
        for name in services {
            for family in &mut rules.families {
                family.move_keys(name, None);
                family.services.remove_mut(name);
            }
        }
        rules
    }

    /// The Services that these rules are for.
    #[must_use]
    pub fn services(&self) -> BTreeSet<ObjectName> {
        self.families.iter().flat_map(|family| family.services.keys()).cloned().collect()
    }

    /// The families that the node has, in order.
    #[must_use]
    pub fn families(&self) -> Vec<AddressType> {
        self.families.iter().map(|family| family.dialect.family).collect()
    }

    /// The Services of which not everything is in these tables.
    #[cfg(feature = "driver")]
    pub(crate) fn unlike(&self, listed: &[Tables]) -> BTreeSet<ObjectName> {
        let mut unlike = BTreeSet::new();
        for (family, listed) in self.families.iter().zip(listed) {
            let all = listed.tables().iter().flat_map(|(table, chains)| {
                chains.values().flat_map(move |chain| chain.rules().iter().map(move |rule| (*table, rule)))
            });
            let rules: HashSet<_> = all.collect();
            let is_there = |name: &ObjectName| {
                let Fragment { chains, entries, .. } = family.fragment(name);
                chains.iter().all(|(table, name, chain)| listed.chain(*table, name) == Some(chain))
                    && entries.iter().all(|((at, _), rule)| rules.contains(&(at.root().0, rule)))
            };
            unlike.extend(family.services.keys().filter(|name| !is_there(name)).cloned());
        }
        unlike
    }

    fn each(
        &self,
        from: &Rules,
        services: impl Fn(&FamilyRules, &FamilyRules) -> BTreeSet<ObjectName>,
    ) -> Vec<Change> {
        let families = self.families.iter().zip(&from.families);
        families.map(|(new, old)| new.change(old, &services(new, old))).collect()
    }
}

impl FamilyRules {
    /// A Service's rules stand elsewhere from now on.
    fn move_keys(&mut self, name: &ObjectName, new: Option<&ServicePlan>) {
        let of = |service: Option<&ServicePlan>| {
            service.map(|service| lead::keys(&self.dialect, service)).unwrap_or_default()
        };
        let (old, new) = (of(self.services.get(name).map(Arc::as_ref)), of(new));
        for key in old.difference(&new) {
            let mut there = self.keys.get(key).cloned().unwrap_or_default();
            there.retain(|other| other != name);
            match there.is_empty() {
                true => _ = self.keys.remove_mut(key),
                false => self.keys.insert_mut(*key, there),
            }
        }
        for key in new.difference(&old) {
            let mut there = self.keys.get(key).cloned().unwrap_or_default();
            if let Err(at) = there.binary_search(name) {
                there.insert(at, name.clone());
                self.keys.insert_mut(*key, there);
            }
        }
    }

    fn fragment(&self, name: &ObjectName) -> Fragment {
        self.services.get(name).map(|service| Fragment::new(&self.dialect, service)).unwrap_or_default()
    }

    fn tree(&self, dispatcher: Dispatcher) -> Tree<'_> {
        Tree { keys: &self.keys, family: self.dialect.family, flat: self.dialect.flat, dispatcher }
    }

    fn tables(&self) -> Tables {
        let mut tables = base::tables(&self.dialect);
        let mut entries = BTreeMap::<Key, Vec<Rule>>::new();
        for service in self.services.values() {
            let fragment = Fragment::new(&self.dialect, service);
            fragment.chains.into_iter().for_each(|(table, name, chain)| tables.insert(table, name, chain));
            fragment.sets.into_iter().for_each(|set| tables.insert_set(set));
            fragment.entries.into_iter().for_each(|(key, rule)| entries.entry(key).or_default().push(rule));
        }
        // Each key is at one place of the tree.
        let mut rules = |key: Key, _: &[ObjectName]| entries.remove(&key).unwrap_or_default();
        for dispatcher in Dispatcher::all() {
            let tree = self.tree(dispatcher);
            let (table, root) = dispatcher.root();
            for node in tree.nodes() {
                tables.insert(table, tree.name(node), Chain::new(tree.rules(node, &mut rules)));
            }
            // The last dispatcher of a chain comes first; what no Service can change stays last.
            let behind = tables.chain(table, root).map(|chain| chain.rules.clone()).unwrap_or_default();
            let all = tree.root_rules(&mut rules).into_iter().chain(behind);
            tables.insert(table, root, Chain::new(all));
        }
        tables
    }

    fn differing(&self, other: &FamilyRules) -> BTreeSet<ObjectName> {
        let names = self.services.keys().chain(other.services.keys());
        let is_same = |name: &ObjectName| match (self.services.get(name), other.services.get(name)) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        names.filter(|name| !is_same(name)).cloned().collect()
    }

    fn change(&self, old: &FamilyRules, services: &BTreeSet<ObjectName>) -> Change {
        let mut touched = BTreeMap::<Key, BTreeSet<ObjectName>>::new();
        for name in services {
            let entries =
                |rules: &FamilyRules| rules.fragment(name).entries.into_iter().collect::<HashSet<_>>();
            // A key with the same rules leads the same way.
            for (key, _) in entries(self).symmetric_difference(&entries(old)) {
                touched.entry(*key).or_default().insert(name.clone());
            }
        }
        let mut causes = Causes::new();
        let mut to = self.around(services, &touched, &mut causes);
        let mut from = old.around(services, &touched, &mut causes);
        // What is elsewhere in the tree now is still there.
        from.chains.retain(|place, _| {
            let moved = place.node.is_some_and(|node| self.tree(node.dispatcher).has(node));
            !moved || to.chains.contains_key(place)
        });
        let tables = |around: &mut Around| {
            let mut tables = Tables::new(self.dialect.family);
            let chains = std::mem::take(&mut around.chains).into_iter();
            chains.for_each(|(place, chain)| tables.insert(place.table, place.name, chain));
            around.sets.drain(..).for_each(|set| tables.insert_set(set));
            tables
        };
        Change::between(&tables(&mut from), &tables(&mut to)).because(causes)
    }

    /// All chains that may differ when rules at these keys do.
    fn around(
        &self,
        services: &BTreeSet<ObjectName>,
        touched: &BTreeMap<Key, BTreeSet<ObjectName>>,
        causes: &mut Causes,
    ) -> Around {
        let mut around = Around::default();
        let mut parts = Parts { rules: self, fragments: BTreeMap::new() };
        for service in services {
            for (table, name, chain) in parts.of(service).chains.clone() {
                causes.entry((table, name.clone())).or_default().insert(service.clone());
                around.chains.insert(Place { table, name, node: None }, chain);
            }
            around.sets.extend(parts.of(service).sets.iter().cloned());
        }
        let mut rules = |key: Key, services: &[ObjectName]| -> Vec<Rule> {
            services.iter().flat_map(|service| parts.at(key, service)).collect()
        };
        let mut nodes = BTreeMap::<Node, BTreeSet<ObjectName>>::new();
        let mut roots = BTreeMap::<(TableName, &str), BTreeSet<ObjectName>>::new();
        for ((dispatcher, key), services) in touched {
            roots.entry(dispatcher.root()).or_default().extend(services.iter().cloned());
            for node in self.tree(*dispatcher).around(*key) {
                nodes.entry(node).or_default().extend(services.iter().cloned());
            }
        }
        for (node, services) in nodes {
            let tree = self.tree(node.dispatcher);
            let (table, name) = (node.dispatcher.root().0, tree.name(node));
            causes.entry((table, name.clone())).or_default().extend(services);
            let place = Place { table, name, node: Some(node) };
            around.chains.insert(place, Chain::new(tree.rules(node, &mut rules)));
        }
        let base = base::tables(&self.dialect);
        for ((table, name), services) in roots {
            causes.entry((table, name.to_owned())).or_default().extend(services);
            let mut all = base.chain(table, name).map(|chain| chain.rules.clone()).unwrap_or_default();
            for dispatcher in Dispatcher::all().filter(|dispatcher| dispatcher.root() == (table, name)) {
                let mut before = self.tree(dispatcher).root_rules(&mut rules);
                before.append(&mut all);
                all = before;
            }
            around.chains.insert(Place { table, name: name.to_owned(), node: None }, Chain::new(all));
        }
        around
    }
}

/// What may differ.
#[derive(Debug, Default)]
struct Around {
    chains: BTreeMap<Place, Chain>,
    sets: Vec<IpSet>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    table: TableName,
    name: String,
    node: Option<Node>,
}

/// Services' parts, each compiled once.
struct Parts<'a> {
    rules: &'a FamilyRules,
    fragments: BTreeMap<ObjectName, Fragment>,
}

impl Parts<'_> {
    fn of(&mut self, service: &ObjectName) -> &Fragment {
        let compile = || self.rules.fragment(service);
        self.fragments.entry(service.clone()).or_insert_with(compile)
    }

    fn at(&mut self, key: Key, service: &ObjectName) -> Vec<Rule> {
        let entries = self.of(service).entries.iter();
        entries.filter(|(at, _)| *at == key).map(|(_, rule)| rule.clone()).collect()
    }
}

/// Two are equal when they do the same.
impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        self.tables() == other.tables()
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tables().iter().try_for_each(|tables| write!(f, "{tables}"))
    }
}
