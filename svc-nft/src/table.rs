//! Tables.

use std::fmt;

use crate::{Chain, Name, Set, named::InOrder};

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
    sets: InOrder<Set>,
    chains: InOrder<Chain>,
}

impl Table {
    /// An empty table.
    pub fn new(family: Family, name: impl Into<Name>) -> Self {
        Self::with_id(TableId::new(family, name))
    }

    /// An empty table.
    #[must_use]
    pub fn with_id(id: TableId) -> Self {
        Self { id, comment: None, sets: InOrder::default(), chains: InOrder::default() }
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
        self.sets.insert(set);
    }

    /// Puts a chain in, in place of the one with the same name.
    pub fn insert_chain(&mut self, chain: Chain) {
        self.chains.insert(chain);
    }

    /// Takes a set out.
    pub fn remove_set(&mut self, name: &str) -> Option<Set> {
        self.sets.remove(name)
    }

    /// Takes a chain out.
    pub fn remove_chain(&mut self, name: &str) -> Option<Chain> {
        self.chains.remove(name)
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
        self.sets.as_slice()
    }

    /// Chains.
    #[must_use]
    pub fn chains(&self) -> &[Chain] {
        self.chains.as_slice()
    }

    /// The set or map of this name.
    #[must_use]
    pub fn find_set(&self, name: &str) -> Option<&Set> {
        self.sets.get(name)
    }

    /// The set or map of this name, to change it.
    pub fn find_set_mut(&mut self, name: &str) -> Option<&mut Set> {
        self.sets.get_mut(name)
    }

    /// The chain of this name.
    #[must_use]
    pub fn find_chain(&self, name: &str) -> Option<&Chain> {
        self.chains.get(name)
    }

    pub(crate) fn chains_mut(&mut self) -> impl Iterator<Item = &mut Chain> {
        self.chains.iter_mut()
    }

    /// The chain of this name, to change it.
    pub fn find_chain_mut(&mut self, name: &str) -> Option<&mut Chain> {
        self.chains.get_mut(name)
    }
}
