//! A change on its way: chain by chain, in whatever order, to what `iptables-restore --noflush` is told.

use std::collections::BTreeMap;

use super::print::Print as _;
use super::rule::Rule;
use super::table::{Chain, TableName};

const COMMIT: &str = "COMMIT";

/// What was told of so far.
#[derive(Debug, Default)]
pub(super) struct Draft {
    tables: BTreeMap<TableName, Lines>,
}

/// Of one table, each kind in a buffer of its own: chains are declared, and so emptied, before any rule leads to them; they
/// are removed when none does any more.
#[derive(Debug, Default)]
struct Lines {
    declared: String,
    rules: String,
    built_in: String,
    removed: String,
    size: Size,
}

/// How many rules a change writes, and how many more there are afterwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) written: u64,
    pub(crate) growth: i64,
}

impl Draft {
    /// A chain was this and is to be that.
    pub(super) fn chain(&mut self, table: TableName, name: &str, from: Option<&Chain>, to: Option<&Chain>) {
        if from == to {
            return;
        }
        let lines = self.tables.entry(table).or_default();
        let former = from.map(Chain::rules).unwrap_or_default();
        let rules = to.map(Chain::rules).unwrap_or_default();
        lines.size.add(former.len(), rules.len());
        if from.or(to).is_some_and(|chain| chain.policy.is_some()) {
            former.iter().for_each(|rule| line("-D ", name, rule, &mut lines.built_in));
            rules.iter().rev().for_each(|rule| line("-I ", name, rule, &mut lines.built_in));
            return;
        }
        lines.declared.extend([":", name, " - [0:0]\n"]);
        rules.iter().for_each(|rule| line("-A ", name, rule, &mut lines.rules));
        if to.is_none() {
            lines.removed.extend(["-X ", name, "\n"]);
        }
    }

    /// The size of the change of each table that there is one of.
    pub(super) fn sizes(&self) -> BTreeMap<TableName, Size> {
        self.tables.iter().map(|(table, lines)| (*table, lines.size)).collect()
    }

    /// Adds all of it.
    pub(super) fn write(self, out: &mut String) {
        for (table, lines) in self.tables {
            out.extend(["*", table.as_str(), "\n"]);
            out.extend([lines.declared, lines.rules, lines.built_in, lines.removed]);
            out.extend([COMMIT, "\n"]);
        }
    }
}

impl Size {
    fn add(&mut self, former: usize, rules: usize) {
        let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.written += u64::try_from(rules).unwrap_or(u64::MAX);
        self.growth += number(rules) - number(former);
    }
}

fn line(command: &str, chain: &str, rule: &Rule, out: &mut String) {
    out.extend([command, chain]);
    rule.print(out);
    out.push('\n');
}
