//! From one set of chains to another: what `iptables-restore --noflush` has to be told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use svc_model::{AddressType, ObjectName};

use super::table::{Chain, TableName, Tables, program};
use super::tree::Causes;

pub(crate) type Chains = BTreeMap<(TableName, String), Chain>;

/// Chains to write anew and chains to remove. Displays as the input of `iptables-restore --noflush`, which takes each table
/// whole or not at all; filter comes before nat, so that what is translated no more is refused already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    family: AddressType,
    lines: Vec<CausedLine>,
}

/// One line of the input, and why. Displays with the Services as a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CausedLine {
    line: String,
    services: BTreeSet<ObjectName>,
}

impl CausedLine {
    /// The line.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The Services that ask for it; none for what depends on the node alone.
    #[must_use]
    pub fn services(&self) -> &BTreeSet<ObjectName> {
        &self.services
    }
}

impl Change {
    pub(crate) fn new(family: AddressType, from: &Chains, to: &Chains) -> Self {
        let mut lines = Vec::new();
        for table in TableName::ALL {
            let of = |chains: &Chains| -> BTreeMap<String, Chain> {
                let ours = chains.iter().filter(|((of, _), _)| *of == table);
                ours.map(|((_, name), chain)| (name.clone(), chain.clone())).collect()
            };
            let body = of_table(&of(from), &of(to));
            if !body.is_empty() {
                lines.push(format!("*{table}"));
                lines.extend(body);
                lines.push("COMMIT".to_owned());
            }
        }
        let lines = lines.into_iter().map(|line| CausedLine { line, services: BTreeSet::new() });
        Self { family, lines: lines.collect() }
    }

    /// From what is there to what is wanted; both as [`Tables::owned`] gives it.
    #[must_use]
    pub fn between(from: &Tables, to: &Tables) -> Self {
        let chains = |tables: &Tables| -> Chains {
            let of = tables.tables().iter();
            let all =
                of.flat_map(|(table, chains)| chains.iter().map(move |(name, chain)| (table, name, chain)));
            all.map(|(table, name, chain)| ((*table, name.clone()), chain.clone())).collect()
        };
        Self::new(to.family(), &chains(from), &chains(to))
    }

    /// The same with the Services that cause each chain to differ.
    pub(crate) fn because(mut self, causes: Causes) -> Self {
        let mut table = None;
        for caused in &mut self.lines {
            if let Some(name) = caused.line.strip_prefix('*') {
                table = TableName::ALL.into_iter().find(|table| table.as_str() == name);
            } else if let (Some(table), Some(chain)) = (table, chain_of(&caused.line)) {
                caused.services = causes.get(&(table, chain.to_owned())).cloned().unwrap_or_default();
            }
        }
        self
    }

    /// The family, and so which program takes it.
    #[must_use]
    pub fn family(&self) -> AddressType {
        self.family
    }

    /// `iptables` or `ip6tables`: whose `-restore --noflush` takes it.
    #[must_use]
    pub fn program(&self) -> &'static str {
        program(self.family)
    }

    /// There is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Line by line.
    #[must_use]
    pub fn lines(&self) -> &[CausedLine] {
        &self.lines
    }
}

/// The chain that a line is about.
fn chain_of(line: &str) -> Option<&str> {
    match line.strip_prefix(':') {
        Some(rest) => rest.split(' ').next(),
        None => line.strip_prefix('-').and_then(|rest| rest.split(' ').nth(1)),
    }
}

/// Chains are declared, and so emptied, before any rule leads to them; they are removed when none does any more.
fn of_table(from: &BTreeMap<String, Chain>, to: &BTreeMap<String, Chain>) -> Vec<String> {
    let is_built_in = |chain: &Chain| chain.policy.is_some();
    let changed: Vec<_> = to.iter().filter(|(name, chain)| from.get(*name) != Some(chain)).collect();
    let gone: Vec<_> = from.iter().filter(|(name, _)| !to.contains_key(*name)).collect();
    let mut lines = Vec::new();
    for (name, _) in changed.iter().chain(&gone).filter(|(_, chain)| !is_built_in(chain)) {
        lines.push(format!(":{name} - [0:0]"));
    }
    for (name, chain) in changed.iter().filter(|(_, chain)| !is_built_in(chain)) {
        chain.rules.iter().for_each(|rule| lines.push(format!("-A {name}{rule}")));
    }
    for (name, chain) in changed.iter().chain(&gone).filter(|(_, chain)| is_built_in(chain)) {
        let former = from.get(*name).map(|chain| chain.rules.as_slice()).unwrap_or_default();
        former.iter().for_each(|rule| lines.push(format!("-D {name}{rule}")));
        if to.contains_key(*name) {
            chain.rules.iter().rev().for_each(|rule| lines.push(format!("-I {name}{rule}")));
        }
    }
    for (name, _) in gone.iter().filter(|(_, chain)| !is_built_in(chain)) {
        lines.push(format!("-X {name}"));
    }
    lines
}

impl fmt::Display for CausedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)?;
        for (index, service) in self.services.iter().enumerate() {
            write!(f, "{} {service}", if index == 0 { "  # Service" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|caused| writeln!(f, "{}", caused.line))
    }
}
