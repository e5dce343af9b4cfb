//! Constants and their types: what stands in keys, in map data and on the right of a comparison.

use std::{
    cmp::Ordering,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::Name;

/// The type of one part of a key or of map data, by nft's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DataType {
    /// `ipv4_addr`, 4 bytes.
    Ipv4Addr,
    /// `ipv6_addr`, 16 bytes.
    Ipv6Addr,
    /// `inet_proto`, one byte: a layer 4 protocol.
    InetProto,
    /// `inet_service`, two bytes: a port.
    InetService,
    /// `mark`, a packet mark in the host's byte order.
    Mark,
    /// `ifname`, 16 bytes: an interface's name.
    IfName,
    /// A number in the host's byte order, such as what numgen gives. nft has no name for it: a set that uses it
    /// must be declared with [`KeyType::Typeof`](crate::KeyType::Typeof).
    Integer,
}

impl DataType {
    /// Length of the value, unpadded, in bytes.
    #[must_use]
    pub fn len(self) -> usize {
        match self {
            Self::InetProto => 1,
            Self::InetService => 2,
            Self::Ipv4Addr | Self::Mark | Self::Integer => 4,
            Self::Ipv6Addr | Self::IfName => 16,
        }
    }

    /// No type is empty; here because `len` is.
    #[must_use]
    pub fn is_empty(self) -> bool {
        false
    }

    /// nft's word for the type.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4Addr => "ipv4_addr",
            Self::Ipv6Addr => "ipv6_addr",
            Self::InetProto => "inet_proto",
            Self::InetService => "inet_service",
            Self::Mark => "mark",
            Self::IfName => "ifname",
            Self::Integer => "integer",
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A layer 4 protocol by its IANA number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct L4Proto(u8);

impl L4Proto {
    /// ICMP, 1.
    pub const ICMP: Self = Self(1);
    /// TCP, 6.
    pub const TCP: Self = Self(6);
    /// UDP, 17.
    pub const UDP: Self = Self(17);
    /// ICMP for IPv6, 58.
    pub const ICMPV6: Self = Self(58);
    /// SCTP, 132.
    pub const SCTP: Self = Self(132);

    /// The protocol with this number.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// The IANA number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for L4Proto {
    /// The name that nft prints, which is that of `/etc/protocols` on Debian; the number where there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match PROTOCOLS.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

/// `/etc/protocols` as Debian has it, which the program looks names up in.
const PROTOCOLS: &[(u8, &str)] = &[
    (0, "ip"),
    (1, "icmp"),
    (2, "igmp"),
    (3, "ggp"),
    (4, "ipencap"),
    (5, "st"),
    (6, "tcp"),
    (8, "egp"),
    (9, "igp"),
    (12, "pup"),
    (17, "udp"),
    (20, "hmp"),
    (22, "xns-idp"),
    (27, "rdp"),
    (29, "iso-tp4"),
    (33, "dccp"),
    (36, "xtp"),
    (37, "ddp"),
    (38, "idpr-cmtp"),
    (41, "ipv6"),
    (43, "ipv6-route"),
    (44, "ipv6-frag"),
    (45, "idrp"),
    (46, "rsvp"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (57, "skip"),
    (58, "ipv6-icmp"),
    (59, "ipv6-nonxt"),
    (60, "ipv6-opts"),
    (73, "rspf"),
    (81, "vmtp"),
    (88, "eigrp"),
    (89, "ospf"),
    (93, "ax.25"),
    (94, "ipip"),
    (97, "etherip"),
    (98, "encap"),
    (103, "pim"),
    (108, "ipcomp"),
    (112, "vrrp"),
    (115, "l2tp"),
    (124, "isis"),
    (132, "sctp"),
    (133, "fc"),
    (135, "mobility-header"),
    (136, "udplite"),
    (137, "mpls-in-ip"),
    (138, "manet"),
    (139, "hip"),
    (140, "shim6"),
    (141, "wesp"),
    (142, "rohc"),
    (143, "ethernet"),
];

/// A constant.
///
/// The first group has exactly one type each; prefixes and ranges stand for many values and belong in sets with
/// [`SetFlag::Interval`](crate::SetFlag::Interval) or on the right of a match.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Value {
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address.
    Ipv6(Ipv6Addr),
    /// A layer 4 protocol.
    Proto(L4Proto),
    /// A port.
    Port(u16),
    /// A packet mark.
    Mark(u32),
    /// A number in the host's byte order.
    Integer(u32),
    /// An interface's name, up to 15 bytes.
    IfName(Name),
    /// Every interface whose name begins so: `"cni*"` is written `Value::IfPrefix("cni".into())`. Only in a match.
    IfPrefix(Name),
    /// Every address of an IPv4 network. Host bits are ignored.
    Ipv4Net(Ipv4Net),
    /// Every address of an IPv6 network. Host bits are ignored.
    Ipv6Net(Ipv6Net),
    /// Ports from the first to the second, both included.
    PortRange(u16, u16),
    /// IPv4 addresses from the first to the second, both included. Only in sets with the interval flag.
    Ipv4Range(Ipv4Addr, Ipv4Addr),
    /// IPv6 addresses from the first to the second, both included. Only in sets with the interval flag. Elsewhere than in
    /// the value, for it is rare and every other one would be as large.
    Ipv6Range(Arc<[Ipv6Addr; 2]>),
}

impl Value {
    /// Addresses from `first` to `last`: the address if they are the same, a network if they are one.
    #[must_use]
    pub fn ipv4_range(first: Ipv4Addr, last: Ipv4Addr) -> Self {
        let host = (first.to_bits() ^ last.to_bits()).checked_add(1).map_or(32, u32::ilog2);
        match Ipv4Net::new(first, 32 - u8::try_from(host).unwrap_or(32)) {
            _ if first == last => Self::Ipv4(first),
            Ok(net) if net.network() == first && net.broadcast() == last => Self::Ipv4Net(net),
            _ => Self::Ipv4Range(first, last),
        }
    }

    /// Addresses from `first` to `last`: the address if they are the same, a network if they are one.
    #[must_use]
    pub fn ipv6_range(first: Ipv6Addr, last: Ipv6Addr) -> Self {
        let host = (first.to_bits() ^ last.to_bits()).checked_add(1).map_or(128, u128::ilog2);
        match Ipv6Net::new(first, 128 - u8::try_from(host).unwrap_or(128)) {
            _ if first == last => Self::Ipv6(first),
            Ok(net) if net.network() == first && net.broadcast() == last => Self::Ipv6Net(net),
            _ => Self::Ipv6Range([first, last].into()),
        }
    }

    /// The type this value belongs to.
    #[must_use]
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Ipv4(_) | Self::Ipv4Net(_) | Self::Ipv4Range(..) => DataType::Ipv4Addr,
            Self::Ipv6(_) | Self::Ipv6Net(_) | Self::Ipv6Range(..) => DataType::Ipv6Addr,
            Self::Proto(_) => DataType::InetProto,
            Self::Port(_) | Self::PortRange(..) => DataType::InetService,
            Self::Mark(_) => DataType::Mark,
            Self::Integer(_) => DataType::Integer,
            Self::IfName(_) | Self::IfPrefix(_) => DataType::IfName,
        }
    }
}

impl Value {
    /// First and last of the values this one stands for, as they stand in the kernel's memory.
    pub(crate) fn bounds(&self) -> (Bytes, Bytes) {
        match self {
            Self::Ipv4Net(net) => {
                (net.network().octets().as_slice().into(), net.broadcast().octets().as_slice().into())
            }
            Self::Ipv6Net(net) => {
                (net.network().octets().as_slice().into(), net.broadcast().octets().as_slice().into())
            }
            Self::PortRange(first, last) => (first.to_be_bytes()[..].into(), last.to_be_bytes()[..].into()),
            Self::Ipv4Range(first, last) => (first.octets()[..].into(), last.octets()[..].into()),
            Self::Ipv6Range(range) => (range[0].octets()[..].into(), range[1].octets()[..].into()),
            single => (single.bytes(), single.bytes()),
        }
    }

    /// The value as it stands in the kernel's memory, unpadded; of prefixes and ranges the first one.
    pub(crate) fn bytes(&self) -> Bytes {
        match self {
            Self::Ipv4(address) => address.octets()[..].into(),
            Self::Ipv6(address) => address.octets()[..].into(),
            Self::Proto(proto) => [proto.number()][..].into(),
            Self::Port(port) => port.to_be_bytes()[..].into(),
            Self::Mark(number) | Self::Integer(number) => number.to_ne_bytes()[..].into(),
            Self::IfName(name) | Self::IfPrefix(name) => Bytes::text(name),
            range => range.bounds().0,
        }
    }

    /// Whether this value is, or stands for, that one.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        let ((first, last), (other_first, other_last)) = (self.bounds(), other.bounds());
        self.data_type() == other.data_type() && first <= other_first && other_last <= last
    }

    /// Whether the kernel can be told this value: names of interfaces have an end.
    pub(crate) fn is_sendable(&self) -> bool {
        match self {
            Self::IfName(name) | Self::IfPrefix(name) => name.len() <= 15 && !name.contains('\0'),
            _ => true,
        }
    }

    /// What keys of one part are ordered by: the number; of prefixes and ranges the first one.
    pub(crate) fn number(&self) -> u128 {
        match self {
            Self::Ipv4(address) | Self::Ipv4Range(address, _) => address.to_bits().into(),
            Self::Ipv4Net(net) => net.network().to_bits().into(),
            Self::Ipv6(address) => address.to_bits(),
            Self::Ipv6Range(range) => range[0].to_bits(),
            Self::Ipv6Net(net) => net.network().to_bits(),
            Self::Proto(proto) => proto.number().into(),
            Self::Port(port) | Self::PortRange(port, _) => (*port).into(),
            Self::Mark(number) | Self::Integer(number) => (*number).into(),
            Self::IfName(name) | Self::IfPrefix(name) => u128::from_le_bytes(Bytes::text(name).bytes),
        }
    }

    /// The order of one part of longer keys: by [`weight`](Self::weight), with short cuts for the common kinds.
    pub(crate) fn compare_weight(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Ipv4(a), Self::Ipv4(b)) => a.to_bits().swap_bytes().cmp(&b.to_bits().swap_bytes()),
            (Self::Port(a), Self::Port(b)) => a.swap_bytes().cmp(&b.swap_bytes()),
            (Self::Proto(a), Self::Proto(b)) => a.cmp(b),
            (Self::Integer(a), Self::Integer(b)) => a.cmp(b),
            _ => self.weight().cmp(&other.weight()),
        }
    }

    /// What one part of longer keys is ordered by: the number that its bytes are when the last one weighs most.
    pub(crate) fn weight(&self) -> u128 {
        let number = self.number();
        match self.data_type() {
            DataType::Ipv6Addr => number.swap_bytes(),
            DataType::Ipv4Addr => number.swap_bytes() >> 96,
            DataType::InetService => number.swap_bytes() >> 112,
            // In the host's byte order, which is little endian where the program's order is as here.
            DataType::InetProto | DataType::Mark | DataType::Integer | DataType::IfName => number,
        }
    }
}

/// Up to 16 bytes in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bytes {
    bytes: [u8; 16],
    len: usize,
}

impl Bytes {
    /// Text padded with NUL to 16 bytes; what is longer than 15 is cut.
    fn text(text: &str) -> Self {
        let mut bytes = [0; 16];
        let len = text.len().min(15);
        bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        Self { bytes, len: 16 }
    }
}

impl From<&[u8]> for Bytes {
    fn from(slice: &[u8]) -> Self {
        let (mut bytes, len) = ([0; 16], slice.len().min(16));
        bytes[..len].copy_from_slice(&slice[..len]);
        Self { bytes, len }
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(address) => write!(f, "{address}"),
            Self::Ipv6(address) => write!(f, "{address}"),
            Self::Proto(proto) => write!(f, "{proto}"),
            Self::Port(port) => write!(f, "{port}"),
            Self::Mark(mark) => write!(f, "0x{mark:08x}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::IfName(name) => write!(f, "\"{name}\""),
            Self::IfPrefix(name) => write!(f, "\"{name}*\""),
            Self::Ipv4Net(net) => write!(f, "{}", net.trunc()),
            Self::Ipv6Net(net) => write!(f, "{}", net.trunc()),
            Self::PortRange(first, last) => write!(f, "{first}-{last}"),
            Self::Ipv4Range(first, last) => write!(f, "{first}-{last}"),
            Self::Ipv6Range(range) => write!(f, "{}-{}", range[0], range[1]),
        }
    }
}

impl From<Ipv4Addr> for Value {
    fn from(address: Ipv4Addr) -> Self {
        Self::Ipv4(address)
    }
}

impl From<Ipv6Addr> for Value {
    fn from(address: Ipv6Addr) -> Self {
        Self::Ipv6(address)
    }
}

impl From<IpAddr> for Value {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Ipv4(address),
            IpAddr::V6(address) => Self::Ipv6(address),
        }
    }
}

impl From<IpNet> for Value {
    /// A network; one of a single address becomes that address, which is also how nft prints it.
    fn from(net: IpNet) -> Self {
        match net {
            IpNet::V4(net) if net.prefix_len() == 32 => Self::Ipv4(net.addr()),
            IpNet::V6(net) if net.prefix_len() == 128 => Self::Ipv6(net.addr()),
            IpNet::V4(net) => Self::Ipv4Net(net.trunc()),
            IpNet::V6(net) => Self::Ipv6Net(net.trunc()),
        }
    }
}

impl From<L4Proto> for Value {
    fn from(proto: L4Proto) -> Self {
        Self::Proto(proto)
    }
}

impl From<u16> for Value {
    /// A port.
    fn from(port: u16) -> Self {
        Self::Port(port)
    }
}
