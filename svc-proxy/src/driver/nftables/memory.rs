//! What kernel settings were before the proxy changed them, kept where it outlives the proxy: as comments in a chain
//! of our table that nothing leads to.

use svc_nft::{Batch, Chain, Rule, Statement, Table, TableId};

use crate::sysctl::settle::Before;

const CHAIN: &str = "sysctls-before";

/// The chain, with one rule `return comment "name=value"` per setting.
pub(super) fn chain(before: &Before) -> Chain {
    before.iter().fold(Chain::regular(CHAIN), |chain, (name, value)| {
        chain.rule(Rule::new([Statement::return_()]).comment(format!("{name}={value}")))
    })
}

/// What a table remembers.
pub(super) fn read(table: &Table) -> Before {
    let rules = table.find_chain(CHAIN).map(Chain::rules).unwrap_or_default();
    let entries = rules.iter().filter_map(|rule| rule.comment_text()?.split_once('='));
    entries.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Makes the table remember `before` instead of what it did.
pub(super) fn write(table: &TableId, before: &Before) -> Batch {
    let (mut batch, chain) = (Batch::new(), chain(before));
    batch.add_chain(table, &chain).flush_chain(table, CHAIN);
    for rule in chain.rules() {
        batch.add_rule(table, CHAIN, rule.clone());
    }
    batch
}
