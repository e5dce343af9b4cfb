//! Expressions: what a rule reads from a packet, its connection or the kernel.

use std::fmt;

use crate::DataType;

/// A value that a rule reads. Expressions stand on the left of matches and, several in a row, as the key of lookups.
///
/// `IpSaddr` and its like read the network header blindly: in an `inet` or `bridge` table, put
/// [`Statement::nfproto_ipv4`](crate::Statement::nfproto_ipv4) before them in the rule. `ThSport` and `ThDport` read the
/// transport header blindly: compare `L4Proto` before or look both up together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Expr {
    /// `ip saddr`
    IpSaddr,
    /// `ip daddr`
    IpDaddr,
    /// `ip6 saddr`
    Ip6Saddr,
    /// `ip6 daddr`
    Ip6Daddr,
    /// `th sport`
    ThSport,
    /// `th dport`
    ThDport,
    /// `meta l4proto`
    L4Proto,
    /// `meta nfproto`
    Nfproto,
    /// `meta mark`
    Mark,
    /// `iifname`
    Iifname,
    /// `oifname`
    Oifname,
    /// `ct state`
    CtState,
    /// `ct status`
    CtStatus,
    /// `ct mark`
    CtMark,
    /// `ct original ip daddr`: what the first packet was addressed to, before any dnat.
    CtOriginalIpDaddr,
    /// `ct original ip6 daddr`: what the first packet was addressed to, before any dnat.
    CtOriginalIp6Daddr,
    /// `ct original proto-dst`: the port the first packet was addressed to, before any dnat.
    CtOriginalDport,
    /// `fib saddr type`, `fib daddr . iif type`
    Fib(FibAddress),
    /// `numgen random mod N`, `numgen inc mod N`
    Numgen(Numgen),
}

impl Expr {
    /// `numgen random mod modulus`: 0 to modulus - 1, drawn anew for each packet.
    #[must_use]
    pub const fn numgen_random(modulus: u32) -> Self {
        Self::Numgen(Numgen::random(modulus))
    }

    /// `numgen inc mod modulus`: 0 to modulus - 1 in turn.
    #[must_use]
    pub const fn numgen_inc(modulus: u32) -> Self {
        Self::Numgen(Numgen::inc(modulus))
    }

    /// `fib saddr type`
    #[must_use]
    pub fn fib_saddr_type() -> Self {
        Self::Fib(FibAddress::Saddr)
    }

    /// `fib daddr type`
    #[must_use]
    pub fn fib_daddr_type() -> Self {
        Self::Fib(FibAddress::Daddr)
    }

    /// The type of what is read, where a set's key can have it.
    #[must_use]
    pub fn data_type(self) -> Option<DataType> {
        Some(match self {
            Self::IpSaddr | Self::IpDaddr | Self::CtOriginalIpDaddr => DataType::Ipv4Addr,
            Self::Ip6Saddr | Self::Ip6Daddr | Self::CtOriginalIp6Daddr => DataType::Ipv6Addr,
            Self::ThSport | Self::ThDport | Self::CtOriginalDport => DataType::InetService,
            Self::L4Proto => DataType::InetProto,
            Self::Mark | Self::CtMark => DataType::Mark,
            Self::Iifname | Self::Oifname => DataType::IfName,
            Self::Numgen(_) => DataType::Integer,
            Self::Nfproto | Self::CtState | Self::CtStatus | Self::Fib(_) => return None,
        })
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IpSaddr => f.write_str("ip saddr"),
            Self::IpDaddr => f.write_str("ip daddr"),
            Self::Ip6Saddr => f.write_str("ip6 saddr"),
            Self::Ip6Daddr => f.write_str("ip6 daddr"),
            Self::ThSport => f.write_str("th sport"),
            Self::ThDport => f.write_str("th dport"),
            Self::L4Proto => f.write_str("meta l4proto"),
            Self::Nfproto => f.write_str("meta nfproto"),
            Self::Mark => f.write_str("meta mark"),
            Self::Iifname => f.write_str("iifname"),
            Self::Oifname => f.write_str("oifname"),
            Self::CtState => f.write_str("ct state"),
            Self::CtStatus => f.write_str("ct status"),
            Self::CtMark => f.write_str("ct mark"),
            Self::CtOriginalIpDaddr => f.write_str("ct original ip daddr"),
            Self::CtOriginalIp6Daddr => f.write_str("ct original ip6 daddr"),
            Self::CtOriginalDport => f.write_str("ct original proto-dst"),
            Self::Fib(address) => write!(f, "fib {address} type"),
            Self::Numgen(numgen) => write!(f, "{numgen}"),
        }
    }
}

/// Which address the routing table is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FibAddress {
    /// The source address.
    Saddr,
    /// The destination address.
    Daddr,
    /// The destination address, as seen from the interface the packet came in by.
    DaddrIif,
}

impl fmt::Display for FibAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Saddr => "saddr",
            Self::Daddr => "daddr",
            Self::DaddrIif => "daddr . iif",
        })
    }
}

/// The routing table's word for an address: `RTN_*` of linux/rtnetlink.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FibType {
    /// Reached through a route.
    Unicast,
    /// An address of this host.
    Local,
    /// A broadcast address of an own network.
    Broadcast,
    /// A multicast group.
    Multicast,
    /// Routed to nowhere silently.
    Blackhole,
    /// Routed to an error.
    Unreachable,
}

impl FibType {
    pub(crate) const ALL: [Self; 6] =
        [Self::Unicast, Self::Local, Self::Broadcast, Self::Multicast, Self::Blackhole, Self::Unreachable];

    /// The kernel's number.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Unicast => 1,
            Self::Local => 2,
            Self::Broadcast => 3,
            Self::Multicast => 5,
            Self::Blackhole => 6,
            Self::Unreachable => 7,
        }
    }
}

impl fmt::Display for FibType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unicast => "unicast",
            Self::Local => "local",
            Self::Broadcast => "broadcast",
            Self::Multicast => "multicast",
            Self::Blackhole => "blackhole",
            Self::Unreachable => "unreachable",
        })
    }
}

/// A number generator; one state per rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Numgen {
    /// Each number with the same probability.
    Random {
        /// One more than the largest number; at least 1.
        modulus: u32,
    },
    /// One after the other.
    Inc {
        /// One more than the largest number; at least 1.
        modulus: u32,
    },
}

impl Numgen {
    /// `numgen random mod modulus`.
    #[must_use]
    pub const fn random(modulus: u32) -> Self {
        Self::Random { modulus }
    }

    /// `numgen inc mod modulus`.
    #[must_use]
    pub const fn inc(modulus: u32) -> Self {
        Self::Inc { modulus }
    }
}

impl fmt::Display for Numgen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random { modulus } => write!(f, "numgen random mod {modulus}"),
            Self::Inc { modulus } => write!(f, "numgen inc mod {modulus}"),
        }
    }
}

/// A state of a connection, as in `ct state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CtState {
    /// Belongs to no connection and cannot begin one.
    Invalid,
    /// Seen in both directions.
    Established,
    /// Begins a connection that another one announced, or an ICMP error of one.
    Related,
    /// The first packet.
    New,
    /// Not tracked.
    Untracked,
}

impl CtState {
    /// In the order nft prints them.
    pub(crate) const ALL: [Self; 5] =
        [Self::Invalid, Self::Established, Self::Related, Self::New, Self::Untracked];

    /// The bit in the kernel's mask.
    #[must_use]
    pub fn bit(self) -> u32 {
        match self {
            Self::Invalid => 1,
            Self::Established => 2,
            Self::Related => 4,
            Self::New => 8,
            Self::Untracked => 64,
        }
    }
}

impl fmt::Display for CtState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid => "invalid",
            Self::Established => "established",
            Self::Related => "related",
            Self::New => "new",
            Self::Untracked => "untracked",
        })
    }
}

/// A property of a connection, as in `ct status`: `IPS_*` of linux/netfilter/nf_conntrack_common.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CtStatus {
    /// An announced connection.
    Expected,
    /// A reply was seen.
    SeenReply,
    /// Never expires early.
    Assured,
    /// The first packet left this host.
    Confirmed,
    /// The source is translated.
    Snat,
    /// The destination is translated.
    Dnat,
    /// About to be freed.
    Dying,
}

impl CtStatus {
    pub(crate) const ALL: [Self; 7] = [
        Self::Expected,
        Self::SeenReply,
        Self::Assured,
        Self::Confirmed,
        Self::Snat,
        Self::Dnat,
        Self::Dying,
    ];

    /// The bit in the kernel's mask.
    #[must_use]
    pub fn bit(self) -> u32 {
        match self {
            Self::Expected => 1,
            Self::SeenReply => 2,
            Self::Assured => 4,
            Self::Confirmed => 8,
            Self::Snat => 16,
            Self::Dnat => 32,
            Self::Dying => 512,
        }
    }
}

impl fmt::Display for CtStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expected => "expected",
            Self::SeenReply => "seen-reply",
            Self::Assured => "assured",
            Self::Confirmed => "confirmed",
            Self::Snat => "snat",
            Self::Dnat => "dnat",
            Self::Dying => "dying",
        })
    }
}
