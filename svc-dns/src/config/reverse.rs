//! Names under `in-addr.arpa` and `ip6.arpa` (RFC 1035 section 3.5, RFC 3596 section 2.5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::{
    error::ConfigError,
    message::{Labels, Name},
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
    let lower = zone.to_lowercase();
    let labels = lower.labels().count();
    let bits = |each: usize| u8::try_from((labels.saturating_sub(2)) * each).unwrap_or(u8::MAX);
    let network = match ReverseName::parse(lower.wire()) {
        ReverseName::Partial(IpAddr::V4(front)) => IpNet::new(front.into(), bits(8)).ok(),
        ReverseName::Partial(IpAddr::V6(front)) => IpNet::new(front.into(), bits(4)).ok(),
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
    /// The front of one, the rest being zero: names below it may exist.
    Partial(IpAddr),
    /// No address at all.
    Nothing,
}

impl ReverseName {
    pub(crate) fn parse(wire: &[u8]) -> Self {
        let mut labels = [[].as_slice(); 34];
        let mut count = 0;
        for label in Labels::of(wire) {
            let Some(slot) = labels.get_mut(count) else { return Self::Nothing };
            *slot = label;
            count += 1;
        }
        match &labels[..count] {
            [digits @ .., b"in-addr", b"arpa"] if digits.len() <= 4 => v4(digits),
            [digits @ .., b"ip6", b"arpa"] if digits.len() <= 32 => v6(digits),
            _ => Self::Nothing,
        }
    }
}

fn v4(labels: &[&[u8]]) -> ReverseName {
    let mut octets = [0; 4];
    for (octet, label) in octets.iter_mut().zip(labels.iter().rev()) {
        match decimal(label) {
            Some(value) => *octet = value,
            None => return ReverseName::Nothing,
        }
    }
    let address = Ipv4Addr::from(octets).into();
    if labels.len() < 4 { ReverseName::Partial(address) } else { ReverseName::Address(address) }
}

/// A number as it is written: no leading zeros, no sign.
fn decimal(label: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(label).ok()?;
    let written = label.iter().all(u8::is_ascii_digit) && (label.len() == 1 || label.first() != Some(&b'0'));
    if written { text.parse().ok() } else { None }
}

fn v6(labels: &[&[u8]]) -> ReverseName {
    let mut bits: u128 = 0;
    for label in labels.iter().rev() {
        let [digit] = label else { return ReverseName::Nothing };
        let Some(nibble) = char::from(*digit).to_digit(16) else { return ReverseName::Nothing };
        bits = bits << 4 | u128::from(nibble);
    }
    let address = (labels.len()..32).fold(bits, |bits, _| bits << 4);
    let address = Ipv6Addr::from(address).into();
    if labels.len() < 32 { ReverseName::Partial(address) } else { ReverseName::Address(address) }
}
