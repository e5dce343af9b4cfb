//! How many rules there are in tables of iptables.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};

use crate::iptables::{Change, TableName, Tables};

/// Rules by table; and by chain, so that a change tells what there is afterwards.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    chains: HashMap<u64, u32>,
    hasher: RandomState,
    counts: Counts,
}

/// Rules by table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// In force.
    pub(crate) total: BTreeMap<TableName, u64>,
    /// Written the last time.
    pub(crate) last: BTreeMap<TableName, u64>,
}

impl Tally {
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Tables are as they are wanted.
    pub(crate) fn listed(&mut self, all: &[Tables]) {
        self.chains.clear();
        self.counts.total.clear();
        for (family, tables) in (0_u8..).zip(all) {
            for (table, chains) in tables.tables() {
                for (name, chain) in chains {
                    let rules = u32::try_from(chain.rules().len()).unwrap_or(u32::MAX);
                    self.set(family, *table, name, rules);
                }
            }
        }
    }

    /// These changes, by family, were made.
    pub(crate) fn changed(&mut self, changes: &[Change]) {
        self.counts.last.clear();
        for (family, change) in (0_u8..).zip(changes) {
            let mut table = None;
            for line in change.text().lines() {
                if let Some(name) = line.strip_prefix('*') {
                    table = TableName::ALL.into_iter().find(|table| table.as_str() == name);
                } else if let Some(table) = table {
                    self.line(family, table, line);
                }
            }
        }
    }

    fn line(&mut self, family: u8, table: TableName, line: &str) {
        let mut words = line.splitn(3, ' ');
        let (verb, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if let Some(declared) = verb.strip_prefix(':') {
            self.set(family, table, declared, 0);
            return;
        }
        let key = self.hasher.hash_one((family, table, name));
        let rules = self.chains.get(&key).copied().unwrap_or(0);
        match verb {
            "-A" | "-I" => {
                *self.counts.last.entry(table).or_default() += 1;
                self.set(family, table, name, rules + 1);
            }
            "-D" => self.set(family, table, name, rules.saturating_sub(1)),
            "-X" => self.set(family, table, name, 0),
            _ => {}
        }
    }

    fn set(&mut self, family: u8, table: TableName, chain: &str, rules: u32) {
        let key = self.hasher.hash_one((family, table, chain));
        let before = match rules {
            0 => self.chains.remove(&key),
            rules => self.chains.insert(key, rules),
        };
        let total = self.counts.total.entry(table).or_default();
        *total = (*total + u64::from(rules)).saturating_sub(u64::from(before.unwrap_or(0)));
    }
}
