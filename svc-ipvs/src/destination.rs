//! A real server behind a virtual one.

use std::net::SocketAddr;

/// How packets get to a destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Forwarding {
    /// The destination address is rewritten, replies come back this way.
    #[default]
    Masquerade,
    /// To a socket of this host.
    Local,
    /// Inside another packet.
    Tunnel(Tunnel),
    /// Unchanged, to the link address of the destination.
    Direct,
    /// Unchanged, to where the packet was going.
    Bypass,
}

/// The outer packet of [`Forwarding::Tunnel`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Tunnel {
    /// IP in IP.
    #[default]
    Ipip,
    /// Generic UDP encapsulation to a port.
    Gue {
        /// The UDP port.
        port: u16,
        /// `IP_VS_TUNNEL_ENCAP_FLAG_*`: 1 checksum, 2 remote checksum.
        flags: u16,
    },
    /// GRE.
    Gre {
        /// `IP_VS_TUNNEL_ENCAP_FLAG_*`: 1 checksum.
        flags: u16,
    },
}

/// A real server of one virtual server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination {
    address: SocketAddr,
    forwarding: Forwarding,
    weight: u32,
    upper_threshold: u32,
    lower_threshold: u32,
}

impl Destination {
    /// By masquerading, with weight 1 and without thresholds.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address: SocketAddr::new(address.ip(), address.port()),
            forwarding: Forwarding::Masquerade,
            weight: 1,
            upper_threshold: 0,
            lower_threshold: 0,
        }
    }

    /// The same with another weight. With 0 it gets no new connections and keeps those it has. At most 2³¹-1, as the
    /// kernel's field is signed; more counts as that.
    #[must_use]
    pub fn with_weight(mut self, weight: u32) -> Self {
        self.weight = weight.min(i32::MAX.unsigned_abs());
        self
    }

    /// The same, reached in another way.
    #[must_use]
    pub fn with_forwarding(mut self, forwarding: Forwarding) -> Self {
        self.forwarding = forwarding;
        self
    }

    /// The same, left out once it has `upper` connections until it has fewer than `lower`; 0 is no threshold.
    #[must_use]
    pub fn with_thresholds(mut self, upper: u32, lower: u32) -> Self {
        (self.upper_threshold, self.lower_threshold) = (upper, lower);
        self
    }

    /// Address and port; at most one destination of a virtual server has it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How packets get there.
    #[must_use]
    pub fn forwarding(&self) -> Forwarding {
        self.forwarding
    }

    /// Its share of new connections.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// As many connections and it is left out; 0 is no threshold.
    #[must_use]
    pub fn upper_threshold(&self) -> u32 {
        self.upper_threshold
    }

    /// As few connections and it is back; 0 is no threshold.
    #[must_use]
    pub fn lower_threshold(&self) -> u32 {
        self.lower_threshold
    }
}
