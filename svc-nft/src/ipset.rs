//! Sets of `ip_set`, as rules of iptables ask and fill them: `-m set --match-set`, `-j SET --add-set`.
//!
//! Of the types that the kernel has this knows `hash:ip`, the addresses of one family, each for a time of its own.
//!
//! ```
//! use svc_nft::Family;
//! use svc_nft::ipset::{IpSet, IpSets, fake};
//!
//! let clients = IpSet::new("clients", Family::Ip).max_elements(65_536).hash_size(16_384);
//! assert_eq!(
//!     clients.to_string(),
//!     "create clients hash:ip family inet hashsize 16384 maxelem 65536 timeout 0 forceadd",
//! );
//! let mut kernel = fake::Sets::default(); // or Socket::open()?
//! kernel.create(&clients)?;
//! kernel.create(&clients)?; // it is there
//! assert_eq!(kernel.list()?, [clients]);
//! assert!(kernel.destroy("clients")?);
//! # Ok::<(), svc_nft::Error>(())
//! ```
//!
//! Source: linux/netfilter/ipset/ip_set.h, net/netfilter/ipset/ip_set_hash_gen.h.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use crate::{Error, Family};

pub mod fake;
#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

/// A kernel's sets, or something that behaves like them: a `Socket`, or [`fake::Sets`]. The sets of one network namespace have
/// names of their own, whatever their families.
pub trait IpSets {
    /// Makes a set. One that is there with the same settings stays as it is, with its elements; the kernel does not ask whether
    /// it is of the same family.
    ///
    /// # Errors
    ///
    /// There is another of this name; there are as many as there can be; or the kernel has no such sets.
    fn create(&mut self, set: &IpSet) -> Result<(), Error>;

    /// Removes a set. Says whether it was there.
    ///
    /// # Errors
    ///
    /// A rule asks it ([`Error::is_busy`]). Those of nf_tables let go of it a moment after they are gone.
    fn destroy(&mut self, name: &str) -> Result<bool, Error>;

    /// Removes all elements of a set.
    ///
    /// # Errors
    ///
    /// There is no such set.
    fn flush(&mut self, name: &str) -> Result<(), Error>;

    /// All sets that can be an [`IpSet`], without their elements. Others are passed over.
    ///
    /// # Errors
    ///
    /// The kernel would not list them.
    fn list(&mut self) -> Result<Vec<IpSet>, Error>;

    /// The elements of a set, each with the time that is left to it.
    ///
    /// # Errors
    ///
    /// There is no such set.
    fn members(&mut self, name: &str) -> Result<Vec<Member>, Error>;
}

/// A set of type `hash:ip` whose elements have times, and one of which gives way where there is room for no more
/// (`forceadd`). Displays and reads as `ipset save` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IpSet {
    name: String,
    family: Family,
    hash_size: u32,
    max_elements: u32,
}

/// An element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    address: IpAddr,
    left: Duration,
}

/// The least that the kernel makes (`IPSET_MIMINAL_HASHSIZE`).
const LEAST_HASH_SIZE: u32 = 64;
const MOST_HASH_SIZE: u32 = 1 << 31;

impl IpSet {
    /// A set of 65 536 addresses of a family, `Ip` or `Ip6`, with room for 1024 lists. Names have 31 bytes at most.
    #[must_use]
    pub fn new(name: impl Into<String>, family: Family) -> Self {
        Self { name: name.into(), family, hash_size: 1024, max_elements: 65_536 }
    }

    /// So many lists, rounded up to a power of 2, of at most twelve elements each, and of 8 bytes. A set becomes larger when
    /// programs add elements, but not when rules do.
    #[must_use]
    pub fn hash_size(self, lists: u32) -> Self {
        Self { hash_size: lists.clamp(LEAST_HASH_SIZE, MOST_HASH_SIZE).next_power_of_two(), ..self }
    }

    /// At most so many elements.
    #[must_use]
    pub fn max_elements(self, most: u32) -> Self {
        Self { max_elements: most, ..self }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The family of its addresses.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    /// The sets told of by netlink messages, as the kernel sends them in answer to a dump. What is malformed, or of another
    /// type, is passed over.
    pub fn parse_all(bytes: &[u8]) -> impl Iterator<Item = IpSet> {
        wire::sets(bytes)
    }

    /// The netlink message that tells of this set, as [`parse_all`](Self::parse_all) reads it.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        wire::tell(self, &[])
    }

    /// Whether the two were made alike, apart from names: one may have become larger since then.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (self.family, self.max_elements) == (other.family, other.max_elements)
    }
}

impl Member {
    /// An address that stays for so long.
    #[must_use]
    pub fn new(address: IpAddr, left: Duration) -> Self {
        Self { address, left }
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The time that is left to it, in whole seconds; zero for good.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.left
    }
}

/// Who reads a set's text, and cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoSet;

impl fmt::Display for NoSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is no set such as `create NAME hash:ip family inet hashsize 1024 maxelem 65536 timeout 0 forceadd`")
    }
}

impl std::error::Error for NoSet {}

impl fmt::Display for IpSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, family, hash_size, max_elements } = self;
        let family = if *family == Family::Ip6 { "inet6" } else { "inet" };
        write!(
            f,
            "create {name} hash:ip family {family} hashsize {hash_size} maxelem {max_elements} timeout 0 forceadd"
        )
    }
}

impl FromStr for IpSet {
    type Err = NoSet;

    fn from_str(text: &str) -> Result<Self, NoSet> {
        let words: Vec<_> = text.split(' ').collect();
        let [
            "create",
            name,
            "hash:ip",
            "family",
            family,
            "hashsize",
            lists,
            "maxelem",
            most,
            "timeout",
            "0",
            "forceadd",
        ] = words[..]
        else {
            return Err(NoSet);
        };
        let family = match family {
            "inet" => Family::Ip,
            "inet6" => Family::Ip6,
            _ => return Err(NoSet),
        };
        let number = |text: &str| text.parse::<u32>().map_err(|_| NoSet);
        let set = IpSet::new(name, family).hash_size(number(lists)?).max_elements(number(most)?);
        if set.to_string() == text { Ok(set) } else { Err(NoSet) }
    }
}
