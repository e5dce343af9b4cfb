//! Connection tracking: the flows that a kernel knows, read as a stream and forgotten one by one.
//!
//! What NAT does to a connection is decided with its first packet and remembered with the flow. For UDP, where no
//! connection ever ends, whoever changes rules has to see to it that flows are forgotten which the old rules decided.
//!
//! ```
//! use svc_nft::L4Proto;
//! use svc_nft::conntrack::{Conntrack, Filter, Flow, Tuple, fake};
//!
//! let query = Tuple::new(L4Proto::UDP, "10.244.0.7:53124".parse()?, "10.96.0.10:53".parse()?);
//! let answer = Tuple::new(L4Proto::UDP, "10.244.0.9:53".parse()?, "10.244.0.7:53124".parse()?);
//! let mut kernel = fake::Table::new([Flow::new(query, answer)]);
//!
//! let mut stale = Vec::new();
//! kernel.flows(&Filter::new().protocol(L4Proto::UDP), &mut |flow| stale.push(flow))?;
//! assert_eq!(stale[0].translated_to(), Some("10.244.0.9:53".parse()?));
//! assert!(kernel.forget(&stale[0])?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Source: linux/netfilter/nfnetlink_conntrack.h, linux/netfilter/nf_conntrack_common.h.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::{Error, Family, L4Proto};

pub mod fake;
mod filter;
#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

pub use filter::Filter;

/// A kernel's connection tracking, or something that behaves like it: a `Socket`, or [`fake::Table`].
pub trait Conntrack {
    /// Shows every flow that passes the filter, one after another: what is shown need not be kept. Flows that come or go
    /// meanwhile may be shown or not; a flow that is there all the time is, at least once.
    ///
    /// Only protocols with ports are shown.
    ///
    /// # Errors
    ///
    /// The kernel would not list them, or not to the end; what was shown until then is as true as ever.
    fn flows(&mut self, filter: &Filter, show: &mut dyn FnMut(Flow)) -> Result<(), Error>;

    /// Forgets this flow: its next packet begins another one. Says whether it was there. One that has taken its place
    /// meanwhile is known by another id, except where the kernel put it in the very same memory: then it begins once more.
    ///
    /// # Errors
    ///
    /// The kernel would not forget it.
    fn forget(&mut self, flow: &Flow) -> Result<bool, Error>;
}

/// One direction of a flow: what its packets look like when they come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    protocol: L4Proto,
    source: SocketAddr,
    destination: SocketAddr,
}

impl Tuple {
    /// Packets of `protocol` from `source` to `destination`.
    #[must_use]
    pub fn new(protocol: L4Proto, source: SocketAddr, destination: SocketAddr) -> Self {
        Self { protocol, source, destination }
    }

    /// The protocol.
    #[must_use]
    pub fn protocol(&self) -> L4Proto {
        self.protocol
    }

    /// Who sends.
    #[must_use]
    pub fn source(&self) -> SocketAddr {
        self.source
    }

    /// To whom.
    #[must_use]
    pub fn destination(&self) -> SocketAddr {
        self.destination
    }

    /// The other direction, where nothing is translated.
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self { protocol: self.protocol, source: self.destination, destination: self.source }
    }

    fn family(&self) -> Family {
        if self.source.is_ipv4() { Family::Ip } else { Family::Ip6 }
    }
}

impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.protocol, self.source, self.destination)
    }
}

/// A connection as the kernel remembers it: packets of the one who began it, and the answers to them.
///
/// Displays as `udp 10.244.0.7:53124 -> 10.96.0.10:53, answered by 10.244.0.9:53`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    original: Tuple,
    reply: Tuple,
    status: u32,
    mark: u32,
    zone: u16,
    id: Option<u32>,
}

/// `IPS_DST_NAT`
const DST_NAT: u32 = 1 << 5;

impl Flow {
    /// A flow whose answers look like `reply`: translated, unless that is the reverse of `original`.
    #[must_use]
    pub fn new(original: Tuple, reply: Tuple) -> Self {
        let status = if reply.source == original.destination { 0 } else { DST_NAT };
        Self { original, reply, status, mark: 0, zone: 0, id: None }
    }

    /// The same flow with this mark.
    #[must_use]
    pub fn with_mark(self, mark: u32) -> Self {
        Self { mark, ..self }
    }

    /// The same flow in this zone.
    #[must_use]
    pub fn with_zone(self, zone: u16) -> Self {
        Self { zone, ..self }
    }

    /// Packets of the one who began it, as they came in.
    #[must_use]
    pub fn original(&self) -> Tuple {
        self.original
    }

    /// Packets of the one who answers, as they come in.
    #[must_use]
    pub fn reply(&self) -> Tuple {
        self.reply
    }

    /// Where its packets are sent, if not where they were addressed (DNAT).
    #[must_use]
    pub fn translated_to(&self) -> Option<SocketAddr> {
        (self.status & DST_NAT != 0).then_some(self.reply.source)
    }

    /// The mark (`CTA_MARK`).
    #[must_use]
    pub fn mark(&self) -> u32 {
        self.mark
    }

    /// The zone (`CTA_ZONE`); 0 unless rules say otherwise.
    #[must_use]
    pub fn zone(&self) -> u16 {
        self.zone
    }

    /// Bits of the kernel's `enum ip_conntrack_status`.
    #[must_use]
    pub fn status(&self) -> u32 {
        self.status
    }

    /// The flows told of by netlink messages, as the kernel sends them in answer to a dump. What is malformed, or has no
    /// ports, is passed over.
    pub fn parse_all(bytes: &[u8]) -> impl Iterator<Item = Flow> {
        wire::flows(bytes)
    }

    /// The netlink message that tells of this flow, as [`parse_all`](Self::parse_all) reads it.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        wire::tell(self)
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.original)?;
        match self.translated_to() {
            Some(address) => write!(f, ", answered by {address}"),
            None => Ok(()),
        }
    }
}

fn family_of(address: IpAddr) -> Family {
    if address.is_ipv4() { Family::Ip } else { Family::Ip6 }
}
