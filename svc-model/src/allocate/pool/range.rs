//! Ranges of addresses as people write them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::allocate::ledger::Range;
use crate::allocate::number::number;

/// Addresses from a first to a last one, written `172.20.10.70-172.20.10.79` or as a CIDR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    pub(super) first: IpAddr,
    pub(super) last: IpAddr,
}

/// A range of addresses was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a range of addresses: write `192.0.2.10-192.0.2.20` or `192.0.2.0/28`")]
pub struct InvalidAddressRange(String);

impl AddressRange {
    /// Without a static band: what people want they ask for by name.
    pub(super) fn numbers(&self) -> Range {
        Range { first: number(self.first), last: number(self.last), dynamic: number(self.first) }
    }
}

impl FromStr for AddressRange {
    type Err = InvalidAddressRange;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidAddressRange(text.to_owned());
        if let Ok(net) = text.parse::<IpNet>() {
            return Ok(Self { first: net.network(), last: net.broadcast() });
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let parse = |part: &str| part.trim().parse::<IpAddr>().map_err(|_| invalid());
        let (first, last) = (parse(first)?, parse(last)?);
        if first.is_ipv4() != last.is_ipv4() || first > last {
            return Err(invalid());
        }
        Ok(Self { first, last })
    }
}

impl TryFrom<&str> for AddressRange {
    type Error = InvalidAddressRange;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<IpNet> for AddressRange {
    fn from(net: IpNet) -> Self {
        Self { first: net.network(), last: net.broadcast() }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { self.first.fmt(f) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}
