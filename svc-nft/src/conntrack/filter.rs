//! Which flows are asked for.

use std::fmt;
use std::net::IpAddr;

use super::{Flow, family_of};
use crate::{Family, L4Proto};

/// Which flows are asked for: all, unless something is said. The kernel does the choosing, as far as it can, so that flows
/// that are not asked for cost nothing but being passed over: family, mark and zone always, protocol and destination
/// since 5.8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Filter {
    pub(super) family: Option<Family>,
    pub(super) protocol: Option<L4Proto>,
    pub(super) address: Option<IpAddr>,
    pub(super) port: Option<u16>,
    pub(super) mark: Option<(u32, u32)>,
    pub(super) zone: Option<u16>,
}

impl Filter {
    /// All flows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only of this family: `Ip` or `Ip6`.
    pub fn family(self, family: Family) -> Self {
        Self { family: Some(family), ..self }
    }

    /// Only of this protocol.
    pub fn protocol(self, protocol: L4Proto) -> Self {
        Self { protocol: Some(protocol), ..self }
    }

    /// Only those that were addressed to this address, before translation.
    pub fn destination(self, address: IpAddr) -> Self {
        Self { address: Some(address), ..self }.family(family_of(address))
    }

    /// Only those that were addressed to this port, before translation. The kernel heeds it together with a protocol.
    pub fn port(self, port: u16) -> Self {
        Self { port: Some(port), ..self }
    }

    /// Only those whose mark, as far as `mask` goes, is `value`.
    pub fn mark(self, value: u32, mask: u32) -> Self {
        Self { mark: Some((value, mask)), ..self }
    }

    /// Only those of this zone.
    pub fn zone(self, zone: u16) -> Self {
        Self { zone: Some(zone), ..self }
    }

    #[cfg(feature = "netlink")]
    pub(crate) fn families(&self) -> impl Iterator<Item = Family> + use<> {
        let family = self.family;
        [Family::Ip, Family::Ip6]
            .into_iter()
            .filter(move |other| family.is_none_or(|family| family == *other))
    }

    /// Whether a flow is asked for.
    #[must_use]
    pub fn admits(&self, flow: &Flow) -> bool {
        let to = flow.original().destination();
        self.family.is_none_or(|family| family_of(to.ip()) == family)
            && self.protocol.is_none_or(|protocol| flow.original().protocol() == protocol)
            && self.address.is_none_or(|address| to.ip() == address)
            && self.port.is_none_or(|port| to.port() == port)
            && self.mark.is_none_or(|(value, mask)| flow.mark() & mask == value & mask)
            && self.zone.is_none_or(|zone| flow.zone() == zone)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("flows")?;
        if let Some(family) = self.family {
            write!(f, " of {family}")?;
        }
        if let Some(protocol) = self.protocol {
            write!(f, " {protocol}")?;
        }
        if let Some(address) = self.address {
            write!(f, " to {address}")?;
        }
        if let Some(port) = self.port {
            write!(f, " port {port}")?;
        }
        if let Some((value, mask)) = self.mark {
            write!(f, " with mark {value:#x}/{mask:#x}")?;
        }
        match self.zone {
            Some(zone) => write!(f, " in zone {zone}"),
            None => Ok(()),
        }
    }
}
