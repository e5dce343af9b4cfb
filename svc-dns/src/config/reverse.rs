//! Names under `in-addr.arpa` and `ip6.arpa` (RFC 1035 section 3.5, RFC 3596 section 2.5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::{
    error::ConfigError,
    message::{Name, QuestionName},
};

/// The apexes of the zones that together hold the network: one, or several where its prefix ends inside a label.
pub(crate) fn apexes(network: IpNet) -> Vec<Name> {
    let label_bits = if network.addr().is_ipv4() { 8 } else { 4 };
    let prefix = network.prefix_len().div_ceil(label_bits) * label_bits;
    let subnets: Vec<IpNet> = network.trunc().subnets(prefix).into_iter().flatten().collect();
    subnets.iter().filter_map(|subnet| apex(subnet.addr(), usize::from(prefix / label_bits))).collect()
}

/// The whole reverse name of an address.
pub(crate) fn reverse_name(address: IpAddr) -> Name {
    // Seven or seventy bytes of text and more: never too long.
    apex(address, if address.is_ipv4() { 4 } else { 32 }).unwrap_or_else(Name::root)
}

/// The name made of the first `labels` labels' worth of the address.
fn apex(address: IpAddr, labels: usize) -> Option<Name> {
    let (texts, top): (Vec<String>, [&[u8]; 2]) = match address {
        IpAddr::V4(v4) => (v4.octets().iter().map(u8::to_string).collect(), [b"in-addr", b"arpa"]),
        IpAddr::V6(v6) => (nibbles(v6).map(|nibble| format!("{nibble:x}")).collect(), [b"ip6", b"arpa"]),
    };
    Name::from_labels(texts[..labels].iter().rev().map(String::as_bytes).chain(top)).ok()
}

fn nibbles(address: Ipv6Addr) -> impl Iterator<Item = u8> {
    address.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 0xf])
}

/// The network whose reverse names are in this zone.
pub(super) fn network(zone: &Name) -> Result<IpNet, ConfigError> {
    let network = match ReverseName::parse(&QuestionName::from(zone)) {
        ReverseName::Partial(network) => Some(network),
        ReverseName::Address(address) => Some(address.into()),
        ReverseName::Nothing => None,
    };
    network.ok_or_else(|| ConfigError::ReverseZone { name: zone.to_string() })
}

/// What a lower-case reverse name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReverseName {
    /// A whole address.
    Address(IpAddr),
    /// The front of one: names below it may exist.
    Partial(IpNet),
    /// No address at all.
    Nothing,
}

impl ReverseName {
    pub(crate) fn parse(name: &QuestionName) -> Self {
        let Some(count) = name.count().checked_sub(2) else { return Self::Nothing };
        match name.between(count, count + 2) {
            b"\x07in-addr\x04arpa" if count <= 4 => v4(name, count),
            b"\x03ip6\x04arpa" if count <= 32 => v6(name, count),
            _ => Self::Nothing,
        }
    }

    /// The front of an address: so many bits of it.
    fn of(front: IpAddr, bits: usize) -> Self {
        match u8::try_from(bits).ok().and_then(|bits| IpNet::new(front, bits).ok()) {
            Some(network) if network.prefix_len() < network.max_prefix_len() => Self::Partial(network),
            _ => Self::Address(front),
        }
    }
}

/// The first `count` labels are octets, the first one last.
fn v4(name: &QuestionName, count: usize) -> ReverseName {
    let mut octets = [0; 4];
    for (octet, label) in octets.iter_mut().zip((0..count).rev()) {
        match decimal(&name.between(label, label + 1)[1..]) {
            Some(value) => *octet = value,
            None => return ReverseName::Nothing,
        }
    }
    ReverseName::of(Ipv4Addr::from(octets).into(), count * 8)
}

/// A number as it is written: no leading zeros, no sign.
fn decimal(label: &[u8]) -> Option<u8> {
    let written = label.len() <= 3 && (label.len() == 1 || label.first() != Some(&b'0'));
    let digit = |byte: u8| Some(u16::from(byte.checked_sub(b'0').filter(|&digit| digit < 10)?));
    let number = label.iter().try_fold(0, |number, &byte| Some(number * 10 + digit(byte)?));
    u8::try_from(number.filter(|_| written)?).ok()
}

/// The first `count` labels are nibbles, the first one last.
fn v6(name: &QuestionName, count: usize) -> ReverseName {
    let mut bits: u128 = 0;
    for label in (0..count).rev() {
        let &[1, digit] = name.between(label, label + 1) else { return ReverseName::Nothing };
        let Some(nibble) = char::from(digit).to_digit(16) else { return ReverseName::Nothing };
        bits = bits << 4 | u128::from(nibble);
    }
    let address = (count..32).fold(bits, |bits, _| bits << 4);
    ReverseName::of(Ipv6Addr::from(address).into(), count * 4)
}
