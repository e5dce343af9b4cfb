//! From one set of chains to another: what `iptables-restore --noflush` has to be told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use svc_model::{AddressType, ObjectName};
use svc_nft::ipset::IpSet;

use super::draft::{Draft, Size};
use super::table::{SET, Table, TableName, Tables, program};
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
    sizes: BTreeMap<TableName, Size>,
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
        let (mut draft, nothing) = (Draft::default(), Table::new());
        for table in TableName::ALL {
            let (old, new) =
                (from.tables().get(&table).unwrap_or(&nothing), to.tables().get(&table).unwrap_or(&nothing));
            new.iter().for_each(|(name, chain)| draft.chain(table, name, old.get(name), Some(chain)));
            let gone = old.iter().filter(|(name, _)| !new.contains_key(*name));
            gone.for_each(|(name, chain)| draft.chain(table, name, Some(chain), None));
        }
        Self::new(to.family(), draft, from.sets(), to.sets())
    }

    /// Of chains as they are told of, and sets as they are and as they are to be.
    pub(super) fn new(
        family: AddressType,
        draft: Draft,
        from: &BTreeMap<String, IpSet>,
        to: &BTreeMap<String, IpSet>,
    ) -> Self {
        let is_there = |set: &IpSet| from.get(set.name()).is_some_and(|there| there.is_same(set));
        let made: Vec<IpSet> = to.values().filter(|set| !is_there(set)).cloned().collect();
        let unused: Vec<String> = from.keys().filter(|name| !to.contains_key(*name)).cloned().collect();
        let sizes = draft.sizes();
        let mut text: String = made.iter().map(|set| format!("{SET}{set}\n")).collect();
        draft.write(&mut text);
        unused.iter().for_each(|name| text.extend([SET, "destroy ", name, "\n"]));
        Self { family, text: Arc::new(text), causes: Causes::new(), sizes, made, unused }
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
            let services = place.and_then(|(table, chain)| self.causes.get(&(table, chain.into())));
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
        self.sizes.len()
    }

    /// What it does to each of these.
    #[cfg(any(feature = "driver", test))]
    pub(crate) fn sizes(&self) -> &BTreeMap<TableName, Size> {
        &self.sizes
    }
}

/// The chain that a line is about.
fn chain_of(line: &str) -> Option<&str> {
    match line.strip_prefix(':') {
        Some(rest) => rest.split(' ').next(),
        None => line.strip_prefix('-').and_then(|rest| rest.split(' ').nth(1)),
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
