//! The rules of one family.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use rpds::RedBlackTreeMapSync as Map;
use svc_model::ObjectName;

use super::around::Around;
use super::base;
use super::change::Change;
use super::dialect::Dialect;
use super::draft::Draft;
use super::fragment::{self, Fragment, Piece};
use super::lead::{self, Entry};
use super::rule::Rule;
use super::table::{Chain, TableName, Tables};
use super::tree::{Causes, Dispatcher, Key, Keys, Tree};
use crate::plan::ServicePlan;

/// They keep the plan, not its chains: those are compiled when somebody asks for them.
#[derive(Clone, Debug)]
pub(super) struct FamilyRules {
    pub(super) dialect: Arc<Dialect>,
    pub(super) services: Map<ObjectName, Arc<ServicePlan>>,
    pub(super) keys: Keys,
}

impl FamilyRules {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect: Arc::new(dialect), services: Map::new_sync(), keys: Map::new_sync() }
    }

    /// A Service's rules stand elsewhere from now on.
    pub(super) fn move_keys(
        &mut self,
        name: &ObjectName,
        old: Option<&ServicePlan>,
        new: Option<&ServicePlan>,
    ) {
        let of = |service: Option<&ServicePlan>| {
            service.map(|service| lead::keys(&self.dialect, service)).unwrap_or_default()
        };
        let (old, new) = (of(old), of(new));
        for key in old.iter().filter(|key| new.binary_search(key).is_err()) {
            let mut there = self.keys.get(key).cloned().unwrap_or_default();
            there.retain(|other| other != name);
            match there.is_empty() {
                true => _ = self.keys.remove_mut(key),
                false => self.keys.insert_mut(*key, there),
            }
        }
        for key in new.into_iter().filter(|key| old.binary_search(key).is_err()) {
            let mut there = self.keys.get(&key).cloned().unwrap_or_default();
            if let Err(at) = there.binary_search(name) {
                there.insert(at, name.clone());
                self.keys.insert_mut(key, there);
            }
        }
    }

    pub(super) fn fragment(&self, name: &ObjectName) -> Fragment {
        self.services.get(name).map(|service| Fragment::new(&self.dialect, service)).unwrap_or_default()
    }

    pub(super) fn tree(&self, dispatcher: Dispatcher) -> Tree<&Keys> {
        Tree { keys: &self.keys, family: self.dialect.family, flat: self.dialect.flat, dispatcher }
    }

    /// All of it as values, with what no Service can change as it is in `base`.
    pub(super) fn tables(&self, base: Tables) -> Tables {
        let mut tables = Tables::new(self.dialect.family);
        self.show(base, &mut |piece| match piece {
            Piece::Chain(table, name, chain) => tables.insert(table, name, chain),
            Piece::Set(set) => tables.insert_set(set),
        });
        tables
    }

    /// What no Service can change, with chains that Services fill as they are without any.
    pub(super) fn base(&self) -> Tables {
        base::tables(&self.dialect)
    }

    /// Shows everything, one chain after the other, so that nobody has to keep it.
    fn show(&self, mut base: Tables, show: &mut impl FnMut(Piece)) {
        self.services.values().for_each(|service| fragment::show(&self.dialect, service, show));
        let services = self.services.values();
        let mut entries: Vec<Entry<'_>> =
            services.flat_map(|service| lead::entries(&self.dialect, service)).collect();
        entries.sort_by_key(|entry| entry.key);
        let by_key = entries.chunk_by(|a, b| a.key == b.key).filter_map(|at| Some((at.first()?.key, at)));
        let by_key: Vec<(Key, &[Entry<'_>])> = by_key.collect();
        let (family, flat) = (self.dialect.family, self.dialect.flat);
        let mut rules = |_: Key, at: &[Entry<'_>], all: &mut Vec<Rule>| {
            all.extend(at.iter().map(|entry| fragment::rule(&self.dialect, *entry)));
        };
        for dispatcher in Dispatcher::all() {
            let tree = Tree { keys: by_key.as_slice(), family, flat, dispatcher };
            let (table, root) = dispatcher.root();
            let mut all = tree.show(&mut rules, &mut |name, chain| show(Piece::Chain(table, name, chain)));
            // The last dispatcher of a chain comes first; what no Service can change stays last.
            if let Some(chain) = base.chain_mut(table, root) {
                all.append(&mut chain.rules);
                chain.rules = all;
            }
        }
        base.into_chains().for_each(|(table, name, chain)| show(Piece::Chain(table, name, chain)));
    }

    /// What turns what is listed into these rules, with what no Service can change as it is in `base`; and how many rules of each
    /// table there are then.
    pub(super) fn change_from(&self, listed: &Tables, base: Tables) -> (Change, BTreeMap<TableName, u64>) {
        let mut left = BTreeMap::<TableName, BTreeMap<&str, &Chain>>::new();
        for ((table, name), chain) in listed.chains() {
            left.entry(table).or_default().insert(name, chain);
        }
        let (mut draft, mut sets, mut counts) = (Draft::default(), BTreeMap::new(), BTreeMap::new());
        self.show(base, &mut |piece| match piece {
            Piece::Chain(table, name, chain) => {
                *counts.entry(table).or_default() += u64::try_from(chain.rules.len()).unwrap_or(u64::MAX);
                let from = left.get_mut(&table).and_then(|left| left.remove(&*name));
                draft.chain(table, &name, from, Some(&chain));
            }
            Piece::Set(set) => _ = sets.insert(set.name().to_owned(), set),
        });
        for (table, left) in left {
            left.into_iter().for_each(|(name, chain)| draft.chain(table, name, Some(chain), None));
        }
        (Change::new(self.dialect.family, draft, listed.sets(), &sets), counts)
    }

    /// The Services of which not everything is in these tables.
    #[cfg(feature = "driver")]
    pub(super) fn unlike(&self, listed: &Tables) -> BTreeSet<ObjectName> {
        let all = listed
            .chains()
            .flat_map(|((table, _), chain)| chain.rules().iter().map(move |rule| (table, rule)));
        let rules: HashSet<_> = all.collect();
        let is_there = |name: &ObjectName| {
            let Fragment { chains, entries, .. } = self.fragment(name);
            chains.iter().all(|(table, name, chain)| listed.chain(*table, name) == Some(chain))
                && entries.iter().all(|((at, _), rule)| rules.contains(&(at.root().0, rule)))
        };
        self.services.keys().filter(|name| !is_there(name)).cloned().collect()
    }

    pub(super) fn differing(&self, other: &FamilyRules) -> BTreeSet<ObjectName> {
        let names = self.services.keys().chain(other.services.keys());
        let is_same = |name: &ObjectName| match (self.services.get(name), other.services.get(name)) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        names.filter(|name| !is_same(name)).cloned().collect()
    }

    /// What turns `old` into these rules, where these Services changed.
    pub(super) fn change(&self, old: &FamilyRules, services: &BTreeSet<ObjectName>) -> Change {
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
        let to = Around::new(self, services, &touched, &mut causes);
        let from = Around::new(old, services, &touched, &mut causes).without_moved(&to, self);
        let family = self.dialect.family;
        Change::between(&from.tables(family), &to.tables(family)).because(causes)
    }
}
