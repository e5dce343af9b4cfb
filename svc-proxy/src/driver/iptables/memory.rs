//! What kernel settings were before the proxy changed them, kept where it outlives the proxy: as comments in the chain that
//! says whose the others are.

use crate::iptables::{Chain, MARKER, Match, Rule, TableName, Tables};
use crate::sysctl::settle::Before;

/// The table whose marker remembers.
const TABLE: TableName = TableName::Mangle;

/// Makes tables remember: one rule `--comment "name=value"` per setting, which does nothing.
pub(super) fn insert(tables: &mut Tables, before: &Before) {
    let rule = |(name, value): (&String, &String)| {
        Rule::new(tables.family()).matching(Match::Comment(format!("{name}={value}").into()))
    };
    let chain = Chain::new(before.iter().map(rule));
    tables.insert(TABLE, MARKER, chain);
}

/// What tables remember.
pub(super) fn read(tables: &Tables) -> Before {
    let rules = tables.chain(TABLE, MARKER).map(Chain::rules).unwrap_or_default();
    let entries = rules.iter().filter_map(|rule| rule.comment_text()?.split_once('='));
    entries.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
