//! A change in several, for a kernel that does not take so much at once.
//!
//! The nft variant sends a table's change as one message, and a process without CAP_NET_ADMIN in the first user namespace gets
//! no larger send buffer for it than `net.core.wmem_default`: some two hundred rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::table::{Chain, TableName, Tables};

/// What turns `from` into `to` in steps of about so many rules: of each, the chains that it changes, as they were and as they
/// become. What leads somewhere is changed when all of that is there,
/// and what nobody leads to any more goes last: connections are served all the time. A chain is never in two steps.
pub(crate) fn pieces(from: &Tables, to: &Tables, rules: usize) -> Vec<(Tables, Tables)> {
    let mut pieces = Pieces { empty: Tables::new(to.family()), rules, all: Vec::new() };
    let nothing = BTreeMap::new();
    for table in TableName::ALL {
        let (old, new) =
            (from.tables().get(&table).unwrap_or(&nothing), to.tables().get(&table).unwrap_or(&nothing));
        let differs = |name: &&Arc<str>| old.get(*name) != new.get(*name);
        let is_built_in = |name: &&Arc<str>| {
            old.get(*name).or_else(|| new.get(*name)).is_some_and(|chain| chain.policy().is_some())
        };
        let mut names: Vec<&Arc<str>> = old.keys().chain(new.keys()).filter(differs).collect();
        names.sort();
        names.dedup();
        let (built_in, names): (Vec<_>, Vec<_>) = names.into_iter().partition(is_built_in);
        let (there, fresh): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| old.contains_key(*name));
        let (changed, gone): (Vec<_>, Vec<_>) = there.into_iter().partition(|name| new.contains_key(*name));
        let empty = Chain::default();
        let step = |name: &&Arc<str>, from, to| Step { name: Arc::clone(name), from, to };
        pieces.add(table, fresh.iter().map(|name| step(name, None, Some(&empty))));
        pieces.add(table, fresh.iter().map(|name| step(name, Some(&empty), new.get(*name))));
        pieces.add(table, changed.iter().map(|name| step(name, old.get(*name), new.get(*name))));
        pieces.add(table, built_in.iter().map(|name| step(name, old.get(*name), new.get(*name))));
        pieces.add(table, gone.iter().map(|name| step(name, old.get(*name), Some(&empty))));
        pieces.add(table, gone.iter().map(|name| step(name, Some(&empty), None)));
    }
    pieces.all
}

/// One chain.
struct Step<'a> {
    name: Arc<str>,
    from: Option<&'a Chain>,
    to: Option<&'a Chain>,
}

impl Step<'_> {
    fn weight(&self) -> usize {
        1 + self.to.map_or(0, |chain| chain.rules().len())
    }
}

struct Pieces {
    empty: Tables,
    rules: usize,
    all: Vec<(Tables, Tables)>,
}

impl Pieces {
    fn add<'a>(&mut self, table: TableName, steps: impl Iterator<Item = Step<'a>>) {
        let (mut from, mut to, mut weight) = (self.empty.clone(), self.empty.clone(), 0);
        for step in steps {
            if weight > 0 && weight + step.weight() > self.rules {
                let done = (
                    std::mem::replace(&mut from, self.empty.clone()),
                    std::mem::replace(&mut to, self.empty.clone()),
                );
                self.all.push(done);
                weight = 0;
            }
            weight += step.weight();
            step.from.into_iter().for_each(|chain| from.insert(table, step.name.clone(), chain.clone()));
            step.to.into_iter().for_each(|chain| to.insert(table, step.name.clone(), chain.clone()));
        }
        if weight > 0 {
            self.all.push((from, to));
        }
    }
}
