//! A packet on paper: what rules are tried on.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use svc_model::{AddressType, Protocol};

#[cfg(test)]
mod tests;

/// The packet of a connection as it arrives at this host, or as this host sends it.
///
/// Written and read as `PROTOCOL SOURCE DESTINATION:PORT`; IPv6 destinations stand in brackets, the source may have a
/// port.
///
/// ```
/// use svc_proxy::packet::{Entry, Host, Packet};
///
/// let packet: Packet = "tcp 10.244.2.65 10.96.0.10:80".parse()?;
/// assert_eq!(packet.destination().port(), 80);
/// let here = packet.on(&Host::new(["172.20.10.2".parse()?])).entering(Entry::Output);
/// assert_eq!(here.to_string(), "TCP 10.244.2.65 10.96.0.10:80");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Packet {
    protocol: Protocol,
    source: IpAddr,
    source_port: Option<u16>,
    destination: SocketAddr,
    entry: Entry,
    input: Option<Arc<str>>,
    connection: Connection,
    host: Host,
}

/// Where a packet meets the rules first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Entry {
    /// It comes in by an interface.
    #[default]
    Prerouting,
    /// A process of this host sends it.
    Output,
}

/// What connection tracking knows of the packet's connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Connection {
    /// Nothing: this is its first packet.
    #[default]
    New,
    /// Both sides have been heard of.
    Established {
        /// Where its packets are led by a translation of their destination.
        dnat: Option<SocketAddr>,
        /// Its source is translated.
        snat: bool,
    },
    /// Another connection announced it.
    Related,
    /// The packet fits no connection.
    Invalid,
    /// It is not tracked.
    Untracked,
}

/// The host that a packet is on: which addresses are its own. Loopback addresses always are. Clones are cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Host {
    addresses: Arc<[IpAddr]>,
}

impl Host {
    /// A host with these addresses.
    pub fn new(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        Self { addresses: addresses.into_iter().collect() }
    }

    /// Whether an address is this host's own: the routing table calls it local.
    #[must_use]
    pub fn is_local(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.addresses.contains(&address)
    }
}

impl Packet {
    /// The first packet of a connection from `source`, which comes in by an interface of a host without addresses of its
    /// own.
    ///
    /// # Errors
    ///
    /// The two addresses are of different families.
    pub fn new(protocol: Protocol, source: IpAddr, destination: SocketAddr) -> Result<Self, PacketError> {
        if AddressType::of(source) != AddressType::of(destination.ip()) {
            return Err(PacketError::MixedFamilies { from: source, to: destination });
        }
        Ok(Self {
            protocol,
            source,
            source_port: None,
            destination,
            entry: Entry::default(),
            input: None,
            connection: Connection::default(),
            host: Host::default(),
        })
    }

    /// The same packet on a host.
    #[must_use]
    pub fn on(mut self, host: &Host) -> Self {
        self.host = host.clone();
        self
    }

    /// The same packet where it meets the rules at this point.
    #[must_use]
    pub fn entering(mut self, entry: Entry) -> Self {
        self.entry = entry;
        self
    }

    /// The same packet coming in by this interface.
    #[must_use]
    pub fn input(mut self, interface: &str) -> Self {
        self.input = Some(interface.into());
        self
    }

    /// The same packet of a connection of which this is known.
    #[must_use]
    pub fn connection(mut self, connection: Connection) -> Self {
        self.connection = connection;
        self
    }

    /// The same packet from this port.
    #[must_use]
    pub fn from_port(mut self, port: u16) -> Self {
        self.source_port = Some(port);
        self
    }

    /// The protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The family.
    #[must_use]
    pub fn family(&self) -> AddressType {
        AddressType::of(self.source)
    }

    /// Who sends it.
    #[must_use]
    pub fn source(&self) -> IpAddr {
        self.source
    }

    /// From which port, where that is known.
    #[must_use]
    pub fn source_port(&self) -> Option<u16> {
        self.source_port
    }

    /// Where it is sent to.
    #[must_use]
    pub fn destination(&self) -> SocketAddr {
        self.destination
    }

    /// Where it meets the rules first.
    #[must_use]
    pub fn entry(&self) -> Entry {
        self.entry
    }

    /// The interface it comes in by: none for what the host sends, and where nobody said.
    #[must_use]
    pub fn input_interface(&self) -> Option<&str> {
        self.input.as_deref()
    }

    /// What is known of its connection.
    #[must_use]
    pub fn known(&self) -> Connection {
        self.connection
    }

    /// The host it is on.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.protocol)?;
        match self.source_port {
            Some(port) => write!(f, "{}", SocketAddr::new(self.source, port))?,
            None => write!(f, "{}", self.source)?,
        }
        write!(f, " {}", self.destination)
    }
}

impl FromStr for Packet {
    type Err = PacketError;

    fn from_str(text: &str) -> Result<Self, PacketError> {
        let mut words = text.split_whitespace();
        let (Some(protocol), Some(source), Some(destination), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(PacketError::NotAPacket { text: text.to_owned() });
        };
        let (source, port) = parse_source(source)?;
        let destination =
            destination.parse().map_err(|_| PacketError::Destination { text: destination.to_owned() })?;
        let packet = Self::new(parse_protocol(protocol)?, source, destination)?;
        Ok(Self { source_port: port, ..packet })
    }
}

fn parse_protocol(text: &str) -> Result<Protocol, PacketError> {
    [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
        .into_iter()
        .find(|protocol| protocol.as_str().eq_ignore_ascii_case(text))
        .ok_or_else(|| PacketError::Protocol { text: text.to_owned() })
}

fn parse_source(text: &str) -> Result<(IpAddr, Option<u16>), PacketError> {
    if let Ok(address) = text.parse() {
        return Ok((address, None));
    }
    let with_port = text.parse::<SocketAddr>().map(|socket| (socket.ip(), Some(socket.port())));
    with_port.map_err(|_| PacketError::Source { text: text.to_owned() })
}

/// A packet that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// Not three words.
    #[error(
        "`{text}` is not a packet: write PROTOCOL SOURCE DESTINATION:PORT, as in TCP 10.244.2.65 10.96.0.10:80"
    )]
    #[non_exhaustive]
    NotAPacket {
        /// What was given.
        text: String,
    },
    /// A protocol that Services do not have.
    #[error("protocol: `{text}` is not TCP, UDP or SCTP")]
    #[non_exhaustive]
    Protocol {
        /// What was given.
        text: String,
    },
    /// A source that is not an address.
    #[error("source: `{text}` is not an address: write 10.244.2.65 or fd00::65")]
    #[non_exhaustive]
    Source {
        /// What was given.
        text: String,
    },
    /// A destination that is not an address and a port.
    #[error("destination: `{text}` is not an address and a port: write 10.96.0.10:80 or [fd00::10]:80")]
    #[non_exhaustive]
    Destination {
        /// What was given.
        text: String,
    },
    /// From one family to the other.
    #[error("{from} cannot send to {to}: one is an IPv4 address, the other an IPv6 one")]
    #[non_exhaustive]
    MixedFamilies {
        /// Who sends.
        from: IpAddr,
        /// Where to.
        to: SocketAddr,
    },
}
