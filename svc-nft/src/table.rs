//! Tables.

use std::fmt;

use crate::{Chain, Name, Set};

/// Which packets a table sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Family {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// IPv4 and IPv6.
    Inet,
    /// Frames that pass a bridge.
    Bridge,
}

impl Family {
    pub(crate) const ALL: [Self; 4] = [Self::Ip, Self::Ip6, Self::Inet, Self::Bridge];

    /// The kernel's number (`NFPROTO_*`).
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Ip => 2,
            Self::Bridge => 7,
            Self::Ip6 => 10,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Inet => "inet",
            Self::Bridge => "bridge",
        })
    }
}

/// Which table: family and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId {
    family: Family,
    name: Name,
}

impl TableId {
    /// The table of this family and name.
    pub fn new(family: Family, name: impl Into<Name>) -> Self {
        Self { family, name: name.into() }
    }

    /// The family.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.family, self.name)
    }
}

/// A whole table: sets with their elements, chains with their rules. `Display` prints it as `nft list table` does.
///
/// Sets and chains keep the order in which they were added, which is the kernel's and the program's order too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    id: TableId,
    comment: Option<String>,
    sets: Vec<Set>,
    chains: Vec<Chain>,
}

impl Table {
    /// An empty table.
    pub fn new(family: Family, name: impl Into<Name>) -> Self {
        Self::with_id(TableId::new(family, name))
    }

    /// An empty table.
    #[must_use]
    pub fn with_id(id: TableId) -> Self {
        Self { id, comment: None, sets: Vec::new(), chains: Vec::new() }
    }

    /// The same table with a comment of up to 127 bytes; a longer one is cut.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(crate::rule::cut(comment.into()));
        self
    }

    /// The same table with one more set or map; one of the same name is replaced.
    #[must_use]
    pub fn set(mut self, set: Set) -> Self {
        self.insert_set(set);
        self
    }

    /// The same table with one more chain; one of the same name is replaced.
    #[must_use]
    pub fn chain(mut self, chain: Chain) -> Self {
        self.insert_chain(chain);
        self
    }

    /// Puts a set in, in place of the one with the same name.
    pub fn insert_set(&mut self, set: Set) {
        match self.sets.iter_mut().find(|present| present.name() == set.name()) {
            Some(present) => *present = set,
            None => self.sets.push(set),
        }
    }

    /// Puts a chain in, in place of the one with the same name.
    pub fn insert_chain(&mut self, chain: Chain) {
        match self.chains.iter_mut().find(|present| present.name() == chain.name()) {
            Some(present) => *present = chain,
            None => self.chains.push(chain),
        }
    }

    /// Takes a set out.
    pub fn remove_set(&mut self, name: &str) -> Option<Set> {
        let place = self.sets.iter().position(|set| set.name().as_str() == name)?;
        Some(self.sets.remove(place))
    }

    /// Takes a chain out.
    pub fn remove_chain(&mut self, name: &str) -> Option<Chain> {
        let place = self.chains.iter().position(|chain| chain.name().as_str() == name)?;
        Some(self.chains.remove(place))
    }

    /// Family and name.
    #[must_use]
    pub fn id(&self) -> &TableId {
        &self.id
    }

    /// The comment.
    #[must_use]
    pub fn comment_text(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// Sets and maps.
    #[must_use]
    pub fn sets(&self) -> &[Set] {
        &self.sets
    }

    /// Chains.
    #[must_use]
    pub fn chains(&self) -> &[Chain] {
        &self.chains
    }

    /// The set or map of this name.
    #[must_use]
    pub fn find_set(&self, name: &str) -> Option<&Set> {
        self.sets.iter().find(|set| set.name().as_str() == name)
    }

    /// The set or map of this name, to change it.
    pub fn find_set_mut(&mut self, name: &str) -> Option<&mut Set> {
        self.sets.iter_mut().find(|set| set.name().as_str() == name)
    }

    /// The chain of this name.
    #[must_use]
    pub fn find_chain(&self, name: &str) -> Option<&Chain> {
        self.chains.iter().find(|chain| chain.name().as_str() == name)
    }

    pub(crate) fn chains_mut(&mut self) -> impl Iterator<Item = &mut Chain> {
        self.chains.iter_mut()
    }

    /// The chain of this name, to change it.
    pub fn find_chain_mut(&mut self, name: &str) -> Option<&mut Chain> {
        self.chains.iter_mut().find(|chain| chain.name().as_str() == name)
    }
}
