//! Tables by name and key.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use svc_nft::{
    Chain, ChainType, Data, Element, Hook, Name, Policy, Rule, Set, SetFlag, Table, TableId, Value,
};

use crate::nftables::LongNames;
use crate::trace::RuleAt;

/// One table.
#[derive(Debug)]
pub(super) struct IndexedTable {
    pub(super) id: TableId,
    /// This crate made it: then it is known why it has what it has.
    pub(super) is_ours: bool,
    pub(super) chains: Vec<IndexedChain>,
    places: HashMap<Name, usize>,
    sets: HashMap<Name, IndexedSet>,
    /// Whose an address is, by the comments of maps' elements that begin with it.
    owners: HashMap<Value, Arc<str>>,
}

/// One chain.
#[derive(Debug)]
pub(super) struct IndexedChain {
    pub(super) name: Name,
    pub(super) base: Option<svc_nft::Base>,
    pub(super) rules: Vec<Arc<PlacedRule>>,
}

/// A rule and where it stands.
#[derive(Debug)]
pub(super) struct PlacedRule {
    pub(super) table: Arc<(TableId, String)>,
    pub(super) chain: Name,
    /// From 1.
    pub(super) number: usize,
    pub(super) rule: Rule,
    /// Written when somebody wants to read it.
    pub(super) text: OnceLock<String>,
}

impl RuleAt for PlacedRule {
    fn rule(&self) -> &str {
        self.text.get_or_init(|| self.rule.text(self.table.0.family()).to_string())
    }

    fn table(&self) -> &str {
        &self.table.1
    }

    fn chain(&self) -> &str {
        &self.chain
    }
}

/// One set or map.
#[derive(Debug)]
pub(super) struct IndexedSet {
    pub(super) name: Name,
    /// How many parts its keys have.
    pub(super) parts: usize,
    pub(super) is_dynamic: bool,
    pub(super) timeout: Option<std::time::Duration>,
    exact: HashMap<Box<[Value]>, Entry>,
    ranges: Vec<(Box<[Value]>, Entry)>,
}

/// An element.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) data: Option<Data>,
    pub(super) object: Option<Arc<str>>,
}

impl IndexedTable {
    pub(super) fn new(table: &Table) -> Self {
        let id = Arc::new((table.id().clone(), table.id().to_string()));
        let chains: Vec<_> = table.chains().iter().map(|chain| IndexedChain::new(&id, chain)).collect();
        let places = chains.iter().enumerate().map(|(place, chain)| (chain.name.clone(), place)).collect();
        let is_ours = table.comment_text() == Some(crate::nftables::MARKER);
        let names = if is_ours { LongNames::of(table) } else { LongNames::default() };
        let sets =
            table.sets().iter().map(|set| (set.name().clone(), IndexedSet::new(set, &names))).collect();
        Self { id: table.id().clone(), is_ours, chains, places, sets, owners: owners(table, &names) }
    }

    pub(super) fn chain(&self, name: &Name) -> Option<&IndexedChain> {
        self.places.get(name).map(|&place| &self.chains[place])
    }

    pub(super) fn set(&self, name: &Name) -> Option<&IndexedSet> {
        self.sets.get(name)
    }

    pub(super) fn owner(&self, address: &Value) -> Option<&Arc<str>> {
        self.owners.get(address)
    }
}

impl IndexedChain {
    fn new(table: &Arc<(TableId, String)>, chain: &Chain) -> Self {
        let place = |(index, rule): (usize, &Rule)| {
            Arc::new(PlacedRule {
                table: Arc::clone(table),
                chain: chain.name().clone(),
                number: index + 1,
                rule: rule.clone(),
                text: OnceLock::new(),
            })
        };
        let rules = chain.rules().iter().enumerate().map(place).collect();
        Self { name: chain.name().clone(), base: chain.hook().cloned(), rules }
    }

    pub(super) fn is_nat(&self) -> bool {
        self.base.as_ref().is_some_and(|base| base.chain_type == ChainType::Nat)
    }

    pub(super) fn drops_by_policy(&self) -> bool {
        self.base.as_ref().is_some_and(|base| base.policy == Policy::Drop)
    }
}

impl IndexedSet {
    fn new(set: &Set, names: &LongNames) -> Self {
        let interval = set.has(SetFlag::Interval);
        let (ranges, exact): (Vec<_>, Vec<_>) = set
            .elements()
            .map(|element| entry(element, names))
            .partition(|(key, _)| interval && key.iter().any(is_range));
        Self {
            name: set.name().clone(),
            parts: set.key_type().types().len(),
            is_dynamic: set.has(SetFlag::Dynamic),
            timeout: set.default_timeout(),
            exact: exact.into_iter().collect(),
            ranges,
        }
    }

    pub(super) fn find(&self, key: &[Value]) -> Option<&Entry> {
        let within = |(range, _): &&(Box<[Value]>, Entry)| {
            range.len() == key.len() && range.iter().zip(key).all(|(range, value)| range.contains(value))
        };
        self.exact.get(key).or_else(|| self.ranges.iter().find(within).map(|(_, entry)| entry))
    }
}

fn entry(element: &Element, names: &LongNames) -> (Box<[Value]>, Entry) {
    let object = element.comment_text().map(|comment| names.whose(comment));
    let entry = Entry { data: element.data().cloned(), object };
    (element.key().parts().into(), entry)
}

fn is_range(value: &Value) -> bool {
    matches!(
        value,
        Value::Ipv4Net(_)
            | Value::Ipv6Net(_)
            | Value::PortRange(..)
            | Value::Ipv4Range(..)
            | Value::Ipv6Range(..)
    )
}

/// The Service of each address, without the port.
fn owners(table: &Table, names: &LongNames) -> HashMap<Value, Arc<str>> {
    let elements = table.sets().iter().filter(|set| set.data_type().is_some()).flat_map(Set::elements);
    let owned = elements.filter_map(|element| {
        let address = element.key().parts().first()?;
        let is_address = matches!(address, Value::Ipv4(_) | Value::Ipv6(_));
        let port = names.whose(element.comment_text()?);
        let service = port.split(':').next()?;
        is_address.then(|| (address.clone(), Arc::from(service)))
    });
    owned.collect()
}

/// A base chain in its place among all.
#[derive(Debug)]
pub(super) struct Base {
    pub(super) table: usize,
    pub(super) chain: usize,
    pub(super) hook: Hook,
    pub(super) is_nat: bool,
    pub(super) priority: i32,
    among_nat: i32,
}

impl Base {
    /// Translations that a connection has already have been made.
    pub(super) fn is_after_nat(&self) -> bool {
        self.priority >= nat_priority(self.hook)
    }

    pub(super) fn order(&self) -> (Hook, i32, i32) {
        (self.hook, self.priority, self.among_nat)
    }
}

pub(super) fn bases(tables: &[IndexedTable]) -> impl Iterator<Item = Base> {
    tables.iter().enumerate().flat_map(|(table, indexed)| {
        indexed.chains.iter().enumerate().filter_map(move |(chain, indexed)| {
            let base = indexed.base.as_ref()?;
            let (own, is_nat) = (base.priority.number(), indexed.is_nat());
            // The kernel calls all chains that translate at once, in their order, where NAT has its place.
            let priority = if is_nat { nat_priority(base.hook) } else { own };
            Some(Base { table, chain, hook: base.hook, is_nat, priority, among_nat: own })
        })
    })
}

/// `NF_IP_PRI_NAT_DST`, `NF_IP_PRI_NAT_SRC`.
fn nat_priority(hook: Hook) -> i32 {
    match hook {
        Hook::Prerouting | Hook::Output => -100,
        _ => 100,
    }
}
