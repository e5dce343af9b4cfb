//! From one set of chains to another: what `iptables-restore --noflush` has to be told.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use svc_model::{AddressType, ObjectName};
use svc_nft::ipset::IpSet;

use super::table::{Chain, SET, Table, TableName, Tables, program};
use super::tree::Causes;

/// Chains to write anew and chains to remove. Displays as the input of `iptables-restore --noflush`, which takes each table
/// whole or not at all; filter comes before nat, so that what is translated no more is refused already. Sets that have to be
/// made before, or can go afterwards, are comments there, as in [`Tables`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    family: AddressType,
    /// Of ten thousand Services it has a hundred thousand lines: they are in one piece, as the program gets them.
    text: Arc<String>,
    causes: Causes,
    made: Vec<IpSet>,
    unused: Vec<String>,
}

/// One line of the input, and why. Displays with the Services as a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CausedLine<'a> {
    line: &'a str,
    services: &'a BTreeSet<ObjectName>,
}

static NOBODY: BTreeSet<ObjectName> = BTreeSet::new();

impl<'a> CausedLine<'a> {
    /// The line.
    #[must_use]
    pub fn line(&self) -> &'a str {
        self.line
    }

    /// The Services that ask for it; none for what depends on the node alone.
    #[must_use]
    pub fn services(&self) -> &'a BTreeSet<ObjectName> {
        self.services
    }
}

impl Change {
    /// From what is there to what is wanted; both as [`Tables::owned`] gives it.
    #[must_use]
    pub fn between(from: &Tables, to: &Tables) -> Self {
        let missing =
            |(name, set): &(&String, &IpSet)| from.sets().get(*name).is_none_or(|there| !there.is_same(set));
        let made: Vec<IpSet> = to.sets().iter().filter(missing).map(|(_, set)| set.clone()).collect();
        let is_unused = |name: &&String| !to.sets().contains_key(*name);
        let unused: Vec<String> = from.sets().keys().filter(is_unused).cloned().collect();
        let mut text: String = made.iter().map(|set| format!("{SET}{set}\n")).collect();
        let nothing = Table::new();
        for table in TableName::ALL {
            let (old, new) =
                (from.tables().get(&table).unwrap_or(&nothing), to.tables().get(&table).unwrap_or(&nothing));
            // Writing to a string never fails.
            let _ = Difference::new(old, new).write(table, &mut text);
        }
        unused.iter().for_each(|name| text += &format!("{SET}destroy {name}\n"));
        Self { family: to.family(), text: Arc::new(text), causes: Causes::new(), made, unused }
    }

    /// The same with the Services that cause each chain to differ.
    pub(crate) fn because(self, causes: Causes) -> Self {
        Self { causes, ..self }
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
        self.text.is_empty()
    }

    /// The input, as it displays.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// For whoever writes it while others go on.
    #[cfg(feature = "driver")]
    pub(crate) fn shared_text(&self) -> Arc<String> {
        Arc::clone(&self.text)
    }

    /// Line by line.
    pub fn lines(&self) -> impl Iterator<Item = CausedLine<'_>> {
        let mut table = None;
        self.text.lines().map(move |line| {
            if let Some(name) = line.strip_prefix('*') {
                table = TableName::ALL.into_iter().find(|table| table.as_str() == name);
            }
            let place = table.zip(chain_of(line));
            let services = place.and_then(|(table, chain)| self.causes.get(&(table, chain.to_owned())));
            CausedLine { line, services: services.unwrap_or(&NOBODY) }
        })
    }

    /// The sets that have to be there before.
    #[must_use]
    pub fn made(&self) -> &[IpSet] {
        &self.made
    }

    /// The sets that nothing asks any more afterwards.
    #[must_use]
    pub fn unused(&self) -> &[String] {
        &self.unused
    }

    /// How many tables it changes.
    pub(crate) fn tables(&self) -> usize {
        self.text.lines().filter(|line| *line == COMMIT).count()
    }
}

const COMMIT: &str = "COMMIT";

/// The chain that a line is about.
fn chain_of(line: &str) -> Option<&str> {
    match line.strip_prefix(':') {
        Some(rest) => rest.split(' ').next(),
        None => line.strip_prefix('-').and_then(|rest| rest.split(' ').nth(1)),
    }
}

/// What differs in one table.
struct Difference<'a> {
    from: &'a Table,
    to: &'a Table,
    changed: Vec<(&'a String, &'a Chain)>,
    gone: Vec<(&'a String, &'a Chain)>,
}

impl<'a> Difference<'a> {
    fn new(from: &'a Table, to: &'a Table) -> Self {
        let changed = to.iter().filter(|(name, chain)| from.get(*name) != Some(chain)).collect();
        let gone = from.iter().filter(|(name, _)| !to.contains_key(*name)).collect();
        Self { from, to, changed, gone }
    }

    /// Chains are declared, and so emptied, before any rule leads to them; they are removed when none does any more.
    fn write(&self, table: TableName, text: &mut String) -> fmt::Result {
        if self.changed.is_empty() && self.gone.is_empty() {
            return Ok(());
        }
        let is_built_in = |chain: &Chain| chain.policy.is_some();
        let both = || self.changed.iter().chain(&self.gone);
        writeln!(text, "*{table}")?;
        for (name, _) in both().filter(|(_, chain)| !is_built_in(chain)) {
            writeln!(text, ":{name} - [0:0]")?;
        }
        for (name, chain) in self.changed.iter().filter(|(_, chain)| !is_built_in(chain)) {
            chain.rules.iter().try_for_each(|rule| writeln!(text, "-A {name}{rule}"))?;
        }
        for (name, chain) in both().filter(|(_, chain)| is_built_in(chain)) {
            let former = self.from.get(*name).map(|chain| chain.rules.as_slice()).unwrap_or_default();
            former.iter().try_for_each(|rule| writeln!(text, "-D {name}{rule}"))?;
            if self.to.contains_key(*name) {
                chain.rules.iter().rev().try_for_each(|rule| writeln!(text, "-I {name}{rule}"))?;
            }
        }
        for (name, _) in self.gone.iter().filter(|(_, chain)| !is_built_in(chain)) {
            writeln!(text, "-X {name}")?;
        }
        writeln!(text, "{COMMIT}")
    }
}

impl fmt::Display for CausedLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.line)?;
        for (index, service) in self.services.iter().enumerate() {
            write!(f, "{} {service}", if index == 0 { "  # Service" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
