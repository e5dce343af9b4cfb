//! A virtual server: which packets it takes, and how they are spread.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    ops::BitOr,
};

use crate::Scheduler;

/// A transport protocol that IPVS balances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// The number in the IP header.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// `AF_INET` or `AF_INET6`.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::V4 => 2,
            Self::V6 => 10,
        }
    }

    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// How many bits an address has.
    #[must_use]
    pub fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

/// What a virtual server is known by; there is at most one for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ServiceId {
    /// Packets to an address and port. Port 0 stands for every port, where it is [persistent](Flags::PERSISTENT).
    Address(Protocol, SocketAddr),
    /// Packets that carry a firewall mark.
    Mark(Family, NonZeroU32),
}

impl ServiceId {
    /// By protocol, address and port; flow label and scope of an IPv6 address do not count.
    #[must_use]
    pub fn new(protocol: Protocol, address: SocketAddr) -> Self {
        Self::Address(protocol, SocketAddr::new(address.ip(), address.port()))
    }

    /// A TCP address.
    #[must_use]
    pub fn tcp(address: SocketAddr) -> Self {
        Self::new(Protocol::Tcp, address)
    }

    /// A UDP address.
    #[must_use]
    pub fn udp(address: SocketAddr) -> Self {
        Self::new(Protocol::Udp, address)
    }

    /// An SCTP address.
    #[must_use]
    pub fn sctp(address: SocketAddr) -> Self {
        Self::new(Protocol::Sctp, address)
    }

    /// A firewall mark.
    #[must_use]
    pub fn mark(family: Family, mark: NonZeroU32) -> Self {
        Self::Mark(family, mark)
    }

    /// The address family of the packets.
    #[must_use]
    pub fn family(&self) -> Family {
        match self {
            Self::Address(_, address) => Family::of(address.ip()),
            Self::Mark(family, _) => *family,
        }
    }

    /// Address and port, if it is known by those.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Address(_, address) => Some(*address),
            Self::Mark(..) => None,
        }
    }
}

/// `IP_VS_SVC_F_*`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flags(u32);

impl Flags {
    /// None.
    pub const NONE: Self = Self(0);
    /// A client stays with its destination for [`Service::timeout`].
    pub const PERSISTENT: Self = Self(0x1);
    /// The kernel has it in its table. Set by the kernel, and not compared.
    pub const HASHED: Self = Self(0x2);
    /// Each UDP packet is scheduled by itself.
    pub const ONE_PACKET: Self = Self(0x4);
    /// For `sh` and `mh`: a client falls back to another destination when its own has weight 0.
    pub const SCHEDULER_FALLBACK: Self = Self(0x8);
    /// For `sh` and `mh`: the source port is part of the hash.
    pub const SCHEDULER_PORT: Self = Self(0x10);
    /// The third flag of the scheduler.
    pub const SCHEDULER_3: Self = Self(0x20);

    /// These bits, whether they have a name or not.
    #[must_use]
    pub fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// As the kernel has them.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Whether all of `other` are set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Without those.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags({:#x})", self.0)
    }
}

/// A virtual server without its destinations.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service {
    id: ServiceId,
    scheduler: Option<Scheduler>,
    flags: Flags,
    timeout: u32,
    netmask: u8,
    persistence_engine: Option<Scheduler>,
}

impl Service {
    /// Each connection scheduled by itself.
    #[must_use]
    pub fn new(id: ServiceId, scheduler: Scheduler) -> Self {
        let netmask = id.family().bits();
        Self {
            id,
            scheduler: Some(scheduler),
            flags: Flags::NONE,
            timeout: 0,
            netmask,
            persistence_engine: None,
        }
    }

    /// The same without a scheduler, `none`: established connections go on, new ones are refused.
    #[must_use]
    pub fn unscheduled(mut self) -> Self {
        self.scheduler = None;
        self
    }

    /// The same with these flags more.
    #[must_use]
    pub fn with(mut self, flags: Flags) -> Self {
        self.flags = self.flags | flags;
        self
    }

    /// The same where a client stays with its destination for so many seconds after its last connection.
    #[must_use]
    pub fn persistent(mut self, seconds: u32) -> Self {
        self.timeout = seconds;
        self.with(Flags::PERSISTENT)
    }

    /// The same with this timeout, whether it is persistent or not: what a kernel tells.
    pub(crate) fn with_timeout(mut self, seconds: u32) -> Self {
        self.timeout = seconds;
        self
    }

    /// The same where clients whose addresses agree in so many leading bits count as one. At least 1 and at most as
    /// many as an address has.
    #[must_use]
    pub fn client_prefix(mut self, bits: u8) -> Self {
        self.netmask = bits.clamp(1, self.id.family().bits());
        self
    }

    /// The same where a persistence engine, such as `sip`, tells clients apart.
    #[must_use]
    pub fn with_persistence_engine(mut self, name: Scheduler) -> Self {
        self.persistence_engine = Some(name);
        self
    }

    /// What it is known by.
    #[must_use]
    pub fn id(&self) -> ServiceId {
        self.id
    }

    /// Its scheduler; `None` is the kernel's `none`.
    #[must_use]
    pub fn scheduler(&self) -> Option<Scheduler> {
        self.scheduler
    }

    /// Its flags, less [`Flags::HASHED`].
    #[must_use]
    pub fn flags(&self) -> Flags {
        self.flags.without(Flags::HASHED)
    }

    /// Seconds for which a client stays with its destination.
    #[must_use]
    pub fn timeout(&self) -> u32 {
        self.timeout
    }

    /// Leading bits of a client's address that count for persistence.
    #[must_use]
    pub fn netmask(&self) -> u8 {
        self.netmask
    }

    /// What tells clients apart, if not their address.
    #[must_use]
    pub fn persistence_engine(&self) -> Option<Scheduler> {
        self.persistence_engine
    }
}
