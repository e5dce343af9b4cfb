//! Statements: what a rule consists of.

use std::{net::IpAddr, time::Duration};

use crate::{CtState, CtStatus, DataType, Expr, FibAddress, FibType, L4Proto, Name, Value, Verdict};

/// How a match compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CmpOp {
    /// Equal, or in the network or range.
    Eq,
    /// Not equal, or outside of the network or range.
    Neq,
}

/// One step of a rule. A rule's statements run from left to right; a match that fails ends the rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Statement {
    /// `ip daddr 10.0.0.0/8`, `th dport != 53`, `iifname "cni*"`.
    Match {
        /// What is read.
        expr: Expr,
        /// How it is compared.
        op: CmpOp,
        /// With what; its type must be that of the expression.
        value: Value,
    },
    /// `meta mark & mask == value`; `expr` is [`Expr::Mark`] or [`Expr::CtMark`].
    MatchMasked {
        /// What is read.
        expr: Expr,
        /// The bits looked at.
        mask: u32,
        /// How they are compared.
        op: CmpOp,
        /// With what.
        value: u32,
    },
    /// `ct state established,related`: the connection is in one of the states.
    CtState(Vec<CtState>),
    /// `ct status dnat`: the connection has one of the properties.
    CtStatus(Vec<CtStatus>),
    /// `fib daddr type local`.
    Fib {
        /// Which address the routing table is asked about.
        address: FibAddress,
        /// How the answer is compared.
        op: CmpOp,
        /// With what.
        kind: FibType,
    },
    /// `meta nfproto ipv4` (or `ipv6` if `ipv6` is set): needed in `inet` tables before a match on addresses.
    Nfproto {
        /// IPv6 rather than IPv4.
        ipv6: bool,
    },
    /// `ip daddr . meta l4proto . th dport @set`.
    Lookup {
        /// What is looked up, part by part.
        key: Vec<Expr>,
        /// The set.
        set: Name,
        /// `!= @set`: match when it is not there.
        negated: bool,
    },
    /// `ip daddr . meta l4proto . th dport vmap @map`: the verdict of the element; without one the rule ends, as it does
    /// when a match fails.
    Vmap {
        /// What is looked up, part by part.
        key: Vec<Expr>,
        /// The map, declared with verdicts as data.
        map: Name,
    },
    /// `meta mark set ...`: the new mark is `(mark & mask) ^ xor`.
    SetMark {
        /// The bits that stay.
        mask: u32,
        /// The bits that are then toggled.
        xor: u32,
    },
    /// `counter packets P bytes B`.
    Counter {
        /// Packets that came by.
        packets: u64,
        /// Their length.
        bytes: u64,
    },
    /// `dnat to ...`, `snat to ...`; ends the rule.
    Nat {
        /// Destination or source.
        kind: NatKind,
        /// Where to.
        to: NatTarget,
        /// `random`, `fully-random`, `persistent`.
        flags: Vec<NatFlag>,
    },
    /// `masquerade`: snat to the address of the interface the packet leaves by; ends the rule.
    Masquerade {
        /// `random`, `fully-random`, `persistent`.
        flags: Vec<NatFlag>,
    },
    /// `reject`: drop and tell the sender.
    Reject(RejectWith),
    /// `accept`, `drop`, `return`, `jump chain` and so on; must come last.
    Verdict(Verdict),
    /// `update @set { ip saddr timeout 3h }`, `add @map { key : data }`.
    ///
    /// With [`DynsetOp::Update`], an element that exists has its timeout begun anew and *keeps its data*.
    Dynset {
        /// Add, update or delete.
        op: DynsetOp,
        /// The set or map, declared with [`SetFlag::Dynamic`](crate::SetFlag::Dynamic).
        set: Name,
        /// The element's key, part by part.
        key: Vec<Expr>,
        /// The element's data, for maps.
        data: Option<Source>,
        /// The element's timeout, if not the set's.
        timeout: Option<Duration>,
    },
    /// Something this crate does not model, met when listing a table of another origin. Cannot be sent.
    Other {
        /// The kernel's name of the expression.
        name: Name,
    },
}

impl Statement {
    /// `expr value`: `Statement::eq(Expr::IpDaddr, net)`.
    pub fn eq(expr: Expr, value: impl Into<Value>) -> Self {
        Self::Match { expr, op: CmpOp::Eq, value: value.into() }
    }

    /// `expr != value`.
    pub fn ne(expr: Expr, value: impl Into<Value>) -> Self {
        Self::Match { expr, op: CmpOp::Neq, value: value.into() }
    }

    /// `meta l4proto proto`.
    #[must_use]
    pub fn l4proto(proto: L4Proto) -> Self {
        Self::eq(Expr::L4Proto, proto)
    }

    /// `meta nfproto ipv4`: in `inet` tables, before a match on IPv4 addresses.
    #[must_use]
    pub fn nfproto_ipv4() -> Self {
        Self::Nfproto { ipv6: false }
    }

    /// `meta nfproto ipv6`: in `inet` tables, before a match on IPv6 addresses.
    #[must_use]
    pub fn nfproto_ipv6() -> Self {
        Self::Nfproto { ipv6: true }
    }

    /// `iifname "name"`; a name that ends in `*` matches every interface whose name begins so.
    #[must_use]
    pub fn iifname(name: &str) -> Self {
        Self::eq(Expr::Iifname, interface(name))
    }

    /// `oifname "name"`; a name that ends in `*` matches every interface whose name begins so.
    #[must_use]
    pub fn oifname(name: &str) -> Self {
        Self::eq(Expr::Oifname, interface(name))
    }

    /// `iifname != "name"`.
    #[must_use]
    pub fn iifname_not(name: &str) -> Self {
        Self::ne(Expr::Iifname, interface(name))
    }

    /// `oifname != "name"`.
    #[must_use]
    pub fn oifname_not(name: &str) -> Self {
        Self::ne(Expr::Oifname, interface(name))
    }

    /// `meta mark & mask == value`.
    #[must_use]
    pub fn mark_is(mask: u32, value: u32) -> Self {
        Self::MatchMasked { expr: Expr::Mark, mask, op: CmpOp::Eq, value }
    }

    /// `meta mark & mask != value`.
    #[must_use]
    pub fn mark_is_not(mask: u32, value: u32) -> Self {
        Self::MatchMasked { expr: Expr::Mark, mask, op: CmpOp::Neq, value }
    }

    /// `meta mark set value`.
    #[must_use]
    pub fn mark_set(value: u32) -> Self {
        Self::SetMark { mask: 0, xor: value }
    }

    /// `meta mark set meta mark | bits`.
    #[must_use]
    pub fn mark_or(bits: u32) -> Self {
        Self::SetMark { mask: !bits, xor: bits }
    }

    /// `meta mark set meta mark ^ bits`.
    #[must_use]
    pub fn mark_xor(bits: u32) -> Self {
        Self::SetMark { mask: u32::MAX, xor: bits }
    }

    /// `meta mark set meta mark & bits`.
    #[must_use]
    pub fn mark_and(bits: u32) -> Self {
        Self::SetMark { mask: bits, xor: 0 }
    }

    /// `ct state a,b`: in one of these.
    pub fn ct_state(states: impl IntoIterator<Item = CtState>) -> Self {
        let mut states: Vec<_> = states.into_iter().collect();
        states.sort_unstable();
        states.dedup();
        Self::CtState(states)
    }

    /// `ct status a,b`: has one of these.
    pub fn ct_status(statuses: impl IntoIterator<Item = CtStatus>) -> Self {
        let mut statuses: Vec<_> = statuses.into_iter().collect();
        statuses.sort_unstable();
        statuses.dedup();
        Self::CtStatus(statuses)
    }

    /// `fib saddr type local`: the packet comes from this host.
    #[must_use]
    pub fn from_local() -> Self {
        Self::Fib { address: FibAddress::Saddr, op: CmpOp::Eq, kind: FibType::Local }
    }

    /// `fib daddr type local`: the packet is addressed to this host.
    #[must_use]
    pub fn to_local() -> Self {
        Self::Fib { address: FibAddress::Daddr, op: CmpOp::Eq, kind: FibType::Local }
    }

    /// `a . b @set`.
    pub fn lookup(key: impl IntoIterator<Item = Expr>, set: impl Into<Name>) -> Self {
        Self::Lookup { key: key.into_iter().collect(), set: set.into(), negated: false }
    }

    /// `a . b != @set`.
    pub fn lookup_not(key: impl IntoIterator<Item = Expr>, set: impl Into<Name>) -> Self {
        Self::Lookup { key: key.into_iter().collect(), set: set.into(), negated: true }
    }

    /// `a . b vmap @map`.
    pub fn vmap(key: impl IntoIterator<Item = Expr>, map: impl Into<Name>) -> Self {
        Self::Vmap { key: key.into_iter().collect(), map: map.into() }
    }

    /// `counter`, from zero.
    #[must_use]
    pub fn counter() -> Self {
        Self::Counter { packets: 0, bytes: 0 }
    }

    /// `dnat to address`, or `dnat to address:port`.
    #[must_use]
    pub fn dnat(address: IpAddr, port: Option<u16>) -> Self {
        Self::Nat { kind: NatKind::Dnat, to: NatTarget::Address { address, port }, flags: Vec::new() }
    }

    /// `dnat to a . b map @map`, where the map's data is address . port.
    pub fn dnat_map(key: impl IntoIterator<Item = Expr>, map: impl Into<Name>, ipv6: bool) -> Self {
        let to = NatTarget::Map { key: key.into_iter().collect(), map: map.into(), ipv6, port: true };
        Self::Nat { kind: NatKind::Dnat, to, flags: Vec::new() }
    }

    /// `snat to address`.
    #[must_use]
    pub fn snat(address: IpAddr) -> Self {
        Self::Nat { kind: NatKind::Snat, to: NatTarget::Address { address, port: None }, flags: Vec::new() }
    }

    /// `masquerade`
    #[must_use]
    pub fn masquerade() -> Self {
        Self::Masquerade { flags: Vec::new() }
    }

    /// `masquerade fully-random`: source ports cannot be guessed, and two packets rarely pick the same one.
    #[must_use]
    pub fn masquerade_fully_random() -> Self {
        Self::Masquerade { flags: vec![NatFlag::FullyRandom] }
    }

    /// `reject`: ICMP port unreachable of the table's family.
    #[must_use]
    pub fn reject() -> Self {
        Self::Reject(RejectWith::PortUnreachable)
    }

    /// `reject with tcp reset`; needs a match of TCP before.
    #[must_use]
    pub fn reject_tcp_reset() -> Self {
        Self::Reject(RejectWith::TcpReset)
    }

    /// `accept`
    #[must_use]
    pub fn accept() -> Self {
        Self::Verdict(Verdict::Accept)
    }

    /// `drop`
    #[must_use]
    pub fn drop() -> Self {
        Self::Verdict(Verdict::Drop)
    }

    /// `return`
    #[must_use]
    pub fn return_() -> Self {
        Self::Verdict(Verdict::Return)
    }

    /// `jump chain`
    pub fn jump(chain: impl Into<Name>) -> Self {
        Self::Verdict(Verdict::jump(chain))
    }

    /// `goto chain`
    pub fn goto(chain: impl Into<Name>) -> Self {
        Self::Verdict(Verdict::goto(chain))
    }

    /// `update @set { key }`: adds the key or begins its timeout anew.
    pub fn update(set: impl Into<Name>, key: impl IntoIterator<Item = Expr>) -> Self {
        let key = key.into_iter().collect();
        Self::Dynset { op: DynsetOp::Update, set: set.into(), key, data: None, timeout: None }
    }

    /// `update @map { key : data }`: adds the element, or begins its timeout anew *leaving its data as it is*.
    /// That is all session affinity needs: update with a fresh choice, then dnat to what the map says.
    pub fn update_map(map: impl Into<Name>, key: impl IntoIterator<Item = Expr>, data: Source) -> Self {
        let key = key.into_iter().collect();
        Self::Dynset { op: DynsetOp::Update, set: map.into(), key, data: Some(data), timeout: None }
    }

    /// The same dynset with its own timeout for elements; other statements stay as they are.
    #[must_use]
    pub fn timeout(mut self, value: Duration) -> Self {
        if let Self::Dynset { timeout, .. } = &mut self {
            *timeout = Some(value);
        }
        self
    }

    /// The sets and maps this statement names.
    pub fn sets(&self) -> impl Iterator<Item = &Name> {
        let (first, second) = match self {
            Self::Lookup { set, .. } | Self::Vmap { map: set, .. } => (Some(set), None),
            Self::Nat { to: NatTarget::Map { map, .. }, .. } => (Some(map), None),
            Self::Dynset { set, data: Some(Source::Map { map, .. }), .. } => (Some(set), Some(map)),
            Self::Dynset { set, .. } => (Some(set), None),
            _ => (None, None),
        };
        first.into_iter().chain(second)
    }
}

impl From<Verdict> for Statement {
    fn from(verdict: Verdict) -> Self {
        Self::Verdict(verdict)
    }
}

fn interface(name: &str) -> Value {
    match name.strip_suffix('*') {
        Some(prefix) => Value::IfPrefix(prefix.into()),
        None => Value::IfName(name.into()),
    }
}

/// Which end of the connection is rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum NatKind {
    /// The destination; in chains of type nat at prerouting and output.
    Dnat,
    /// The source; in chains of type nat at input and postrouting.
    Snat,
}

/// Where NAT leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum NatTarget {
    /// One address, and one port unless it stays.
    Address {
        /// The address.
        address: IpAddr,
        /// The port.
        port: Option<u16>,
    },
    /// What a map says. If it has no such element, the rule does not match and the next one is tried.
    Map {
        /// What is looked up, part by part.
        key: Vec<Expr>,
        /// A map whose data is address, or address . port.
        map: Name,
        /// The address is an IPv6 one.
        ipv6: bool,
        /// The data has a port.
        port: bool,
    },
}

/// How NAT picks the source port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum NatFlag {
    /// `random`: by a hash with a secret.
    Random,
    /// `fully-random`: by a random number.
    FullyRandom,
    /// `persistent`: the same client gets the same address.
    Persistent,
}

/// What a rejected sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RejectWith {
    /// `reject`: ICMP or ICMPv6 port unreachable, by the packet's family.
    PortUnreachable,
    /// `reject with icmp host-unreachable` and its like for each family.
    HostUnreachable,
    /// `reject with icmp admin-prohibited` and its like for each family.
    AdminProhibited,
    /// `reject with icmp net-unreachable`, or ICMPv6 no-route.
    NoRoute,
    /// `reject with tcp reset`.
    TcpReset,
}

/// What is done to an element from the packet path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DynsetOp {
    /// Add it unless it exists.
    Add,
    /// Add it, or begin its timeout anew.
    Update,
    /// Delete it.
    Delete,
}

/// Where a dynset takes the data of an element from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Source {
    /// Constants, part by part. The nft program 1.0.6 cannot print more than one part here.
    Values(Vec<Value>),
    /// What the packet says, part by part.
    Exprs(Vec<Expr>),
    /// What another map says; without such an element the rule ends.
    Map {
        /// What is looked up, part by part.
        key: Vec<Expr>,
        /// The map.
        map: Name,
        /// The types of the map's data.
        data: Vec<DataType>,
    },
}

impl Source {
    /// What `map` says about `key`; its data has these types.
    pub fn map(
        key: impl IntoIterator<Item = Expr>,
        map: impl Into<Name>,
        data: impl IntoIterator<Item = DataType>,
    ) -> Self {
        Self::Map { key: key.into_iter().collect(), map: map.into(), data: data.into_iter().collect() }
    }
}
