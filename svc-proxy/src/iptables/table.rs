//! Tables and chains, as `iptables-save` lists them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use svc_model::AddressType;
use svc_nft::Family;
use svc_nft::ipset::IpSet;

use super::name::SET_PREFIX;
use super::rule::Rule;

/// The program of a family, without what it does: `-restore`, `-save`.
pub(crate) fn program(family: AddressType) -> &'static str {
    if family == AddressType::Ipv6 { "ip6tables" } else { "iptables" }
}

/// The family in netfilter's words.
pub(crate) fn netfilter(family: AddressType) -> Family {
    if family == AddressType::Ipv6 { Family::Ip6 } else { Family::Ip }
}

/// A table of iptables. Displays as its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TableName {
    /// Where markings go; here only for a chain that tells whether somebody flushed everything.
    Mangle,
    /// Who may pass.
    Filter,
    /// Translations.
    Nat,
}

impl TableName {
    /// All of them, in the order in which a change goes through them.
    pub const ALL: [TableName; 3] = [TableName::Mangle, TableName::Filter, TableName::Nat];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            TableName::Mangle => "mangle",
            TableName::Filter => "filter",
            TableName::Nat => "nat",
        }
    }

    /// The chains that packets meet first.
    pub(crate) fn built_in_chains(self) -> &'static [&'static str] {
        match self {
            TableName::Mangle => &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
            TableName::Filter => &["INPUT", "FORWARD", "OUTPUT"],
            TableName::Nat => &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a built-in chain does with packets that no rule decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// They pass.
    #[default]
    Accept,
    /// They end.
    Drop,
}

/// A chain: built in where it has a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    pub(crate) policy: Option<Policy>,
    pub(crate) rules: Vec<Rule>,
}

impl Chain {
    /// A chain of these rules.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self { policy: None, rules: rules.into_iter().collect() }
    }

    /// The rules, in order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Keeps the rules that are meant.
    #[cfg(feature = "driver")]
    pub(crate) fn retain(&mut self, is_meant: impl FnMut(&Rule) -> bool) {
        self.rules.retain(is_meant);
    }

    /// The policy of a built-in chain.
    #[must_use]
    pub fn policy(&self) -> Option<Policy> {
        self.policy
    }
}

/// The chains of a table, by name.
pub type Table = BTreeMap<Arc<str>, Chain>;

/// What stands before a line for `ipset restore`, which is a comment for `iptables-restore`.
pub(crate) const SET: &str = "#ipset ";

/// All tables of one family, and the sets that their rules ask. Displays as input of `iptables-restore`, tables and chains in
/// order. The sets, which have to be there before, stand in front of it as comments: `sed -n 's/^#ipset //p'` makes the input
/// of `ipset restore` of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    family: AddressType,
    tables: BTreeMap<TableName, Table>,
    sets: BTreeMap<String, IpSet>,
}

impl Tables {
    /// No tables.
    #[must_use]
    pub fn new(family: AddressType) -> Self {
        Self { family, tables: BTreeMap::new(), sets: BTreeMap::new() }
    }

    /// The family.
    #[must_use]
    pub fn family(&self) -> AddressType {
        self.family
    }

    /// `iptables` or `ip6tables`: whose `-save` lists them.
    #[must_use]
    pub fn program(&self) -> &'static str {
        program(self.family)
    }

    /// The tables, by name.
    #[must_use]
    pub fn tables(&self) -> &BTreeMap<TableName, Table> {
        &self.tables
    }

    /// The sets, by name.
    #[must_use]
    pub fn sets(&self) -> &BTreeMap<String, IpSet> {
        &self.sets
    }

    /// Puts a set in place of another of this name.
    pub fn insert_set(&mut self, set: IpSet) {
        self.sets.insert(set.name().to_owned(), set);
    }

    /// Takes a set away.
    pub fn remove_set(&mut self, name: &str) -> Option<IpSet> {
        self.sets.remove(name)
    }

    /// A chain.
    #[must_use]
    pub fn chain(&self, table: TableName, name: &str) -> Option<&Chain> {
        self.tables.get(&table)?.get(name)
    }

    /// All chains of all tables.
    pub(crate) fn chains(&self) -> impl Iterator<Item = ((TableName, &str), &Chain)> {
        let tables = self.tables.iter();
        tables.flat_map(|(table, chains)| chains.iter().map(|(name, chain)| ((*table, &**name), chain)))
    }

    /// The same, and nothing is left.
    pub(crate) fn into_chains(self) -> impl Iterator<Item = (TableName, Arc<str>, Chain)> {
        let tables = self.tables.into_iter();
        tables.flat_map(|(table, chains)| chains.into_iter().map(move |(name, chain)| (table, name, chain)))
    }

    /// All rules of all tables.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.chains().flat_map(|(_, chain)| &chain.rules)
    }

    /// Puts a chain in place of another of this name.
    pub fn insert(&mut self, table: TableName, name: impl Into<Arc<str>>, chain: Chain) {
        self.tables.entry(table).or_default().insert(name.into(), chain);
    }

    /// A chain, to be changed.
    pub(crate) fn chain_mut(&mut self, table: TableName, name: &str) -> Option<&mut Chain> {
        self.tables.get_mut(&table)?.get_mut(name)
    }

    /// Takes a chain away.
    pub fn remove(&mut self, table: TableName, name: &str) -> Option<Chain> {
        self.tables.get_mut(&table)?.remove(name)
    }

    /// The same without what is in one table.
    #[cfg(feature = "driver")]
    pub(crate) fn without(&self, table: TableName) -> Self {
        let mut without = self.clone();
        without.tables.remove(&table);
        without
    }

    /// The same without sets.
    #[cfg(feature = "driver")]
    pub(crate) fn without_sets(&self) -> Self {
        Self { sets: BTreeMap::new(), ..self.clone() }
    }

    /// A table that is there, if without chains.
    pub(crate) fn declare(&mut self, table: TableName) {
        self.tables.entry(table).or_default();
    }

    /// Of all this, what a proxy owns: chains called `KUBE-…` and the marker, of built-in chains the rules that lead to
    /// them, and sets of this crate's names.
    #[must_use]
    pub fn owned(&self) -> Self {
        let mut owned = Self::new(self.family);
        owned.sets = self.sets.clone();
        owned.sets.retain(|name, _| name.starts_with(SET_PREFIX));
        for (table, chains) in &self.tables {
            for (name, chain) in chains {
                if is_owned(name) {
                    owned.insert(*table, name.clone(), chain.clone());
                } else if chain.policy.is_some() {
                    let jumps = chain.rules.iter().filter(|rule| rule.leads_to().is_some_and(is_owned));
                    let jumps = Chain { policy: Some(Policy::Accept), ..Chain::new(jumps.cloned()) };
                    if !jumps.rules.is_empty() {
                        owned.insert(*table, name.clone(), jumps);
                    }
                }
            }
        }
        owned
    }
}

/// Whether a chain of this name is a proxy's.
pub(crate) fn is_owned(chain: &str) -> bool {
    chain.starts_with("KUBE-") && !matches!(chain, "KUBE-KUBELET-CANARY" | "KUBE-IPTABLES-HINT")
        || chain == super::MARKER
}

impl fmt::Display for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sets.values().try_for_each(|set| writeln!(f, "{SET}{set}"))?;
        for (name, chains) in &self.tables {
            writeln!(f, "*{name}")?;
            for (name, chain) in chains {
                match chain.policy {
                    None => writeln!(f, ":{name} - [0:0]")?,
                    Some(Policy::Accept) => writeln!(f, ":{name} ACCEPT [0:0]")?,
                    Some(Policy::Drop) => writeln!(f, ":{name} DROP [0:0]")?,
                }
            }
            for (name, chain) in chains {
                chain.rules.iter().try_for_each(|rule| writeln!(f, "-A {name}{rule}"))?;
            }
            writeln!(f, "COMMIT")?;
        }
        Ok(())
    }
}
