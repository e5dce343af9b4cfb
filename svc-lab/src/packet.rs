//! Packets as typed values, decoded from what was captured. Pure.

use std::fmt;

mod arp;
mod cursor;
mod ethernet;
mod icmp;
mod ip;
#[cfg(test)]
mod proptests;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;
mod vxlan;

pub use arp::{Arp, ArpOperation};
pub use cursor::Malformed;
pub use ethernet::{Ethernet, Mac, MacError};
pub use icmp::Icmp;
pub use ip::{Ip, IpProtocol};
pub use tcp::{Tcp, TcpFlags};
pub use udp::Udp;
pub use vxlan::Vxlan;

use cursor::Cursor;

/// A frame could nest VXLAN as deep as it is long; nobody means that.
const NESTING: u8 = 4;

/// One frame, decoded layer by layer as far as it is understood.
///
/// Its `Display` is one line, much as `tcpdump -e` writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    ethernet: Ethernet,
    arp: Option<Arp>,
    ip: Option<Ip>,
    transport: Transport,
    payload: Vec<u8>,
    malformed: Option<Malformed>,
    outgoing: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Transport {
    None,
    Udp(Udp),
    Vxlan(Udp, Box<Vxlan>),
    Tcp(Tcp),
    Icmp(Icmp),
}

impl Packet {
    /// Decodes an Ethernet frame. A deeper layer that is cut short ends the decoding and is told by
    /// [`malformed`](Packet::malformed).
    ///
    /// # Errors
    ///
    /// If it is shorter than an Ethernet header, 14 bytes.
    pub fn parse(frame: &[u8]) -> Result<Self, Malformed> {
        Self::parse_at(&mut Cursor::new(frame), NESTING)
    }

    /// `levels` of VXLAN are decoded, deeper ones are payload.
    fn parse_at(cursor: &mut Cursor<'_>, levels: u8) -> Result<Self, Malformed> {
        let ethernet = Ethernet::parse(cursor)?;
        let (arp, ip, transport) = (None, None, Transport::None);
        let mut packet =
            Self { ethernet, arp, ip, transport, payload: vec![], malformed: None, outgoing: false };
        packet.malformed = packet.parse_network(cursor, levels).err();
        packet.payload = cursor.rest().to_vec();
        Ok(packet)
    }

    fn parse_network(&mut self, cursor: &mut Cursor<'_>, levels: u8) -> Result<(), Malformed> {
        match self.ethernet.ethertype {
            ethernet::ARP => self.arp = Some(Arp::parse(cursor)?),
            ethernet::IPV4 => self.ip = Some(Ip::parse_v4(cursor)?),
            ethernet::IPV6 => self.ip = Some(Ip::parse_v6(cursor)?),
            _ => {}
        }
        match self.ip {
            Some(ip) if !ip.is_later_fragment => self.parse_transport(ip.protocol, cursor, levels),
            _ => Ok(()),
        }
    }

    fn parse_transport(
        &mut self,
        protocol: IpProtocol,
        cursor: &mut Cursor<'_>,
        levels: u8,
    ) -> Result<(), Malformed> {
        self.transport = match protocol {
            IpProtocol::Tcp => Transport::Tcp(Tcp::parse(cursor)?),
            IpProtocol::Icmp | IpProtocol::Icmpv6 => Transport::Icmp(Icmp::parse(cursor)?),
            IpProtocol::Udp => {
                let udp = Udp::parse(cursor)?;
                self.transport = Transport::Udp(udp);
                match (udp.dst_port, levels.checked_sub(1)) {
                    (vxlan::PORT | vxlan::LINUX_PORT, Some(levels)) => {
                        Transport::Vxlan(udp, Box::new(Vxlan::parse(cursor, levels)?))
                    }
                    _ => return Ok(()),
                }
            }
            IpProtocol::Other(_) => Transport::None,
        };
        Ok(())
    }

    pub(crate) fn with_outgoing(mut self, outgoing: bool) -> Self {
        self.outgoing = outgoing;
        self
    }

    /// The frame's own header.
    #[must_use]
    pub fn ethernet(&self) -> &Ethernet {
        &self.ethernet
    }

    /// Who has an address, or where it is.
    #[must_use]
    pub fn arp(&self) -> Option<&Arp> {
        self.arp.as_ref()
    }

    /// The IPv4 or IPv6 header.
    #[must_use]
    pub fn ip(&self) -> Option<&Ip> {
        self.ip.as_ref()
    }

    /// The UDP header, also of a packet that carries VXLAN.
    #[must_use]
    pub fn udp(&self) -> Option<&Udp> {
        match &self.transport {
            Transport::Udp(udp) | Transport::Vxlan(udp, _) => Some(udp),
            _ => None,
        }
    }

    /// The TCP header.
    #[must_use]
    pub fn tcp(&self) -> Option<&Tcp> {
        match &self.transport {
            Transport::Tcp(tcp) => Some(tcp),
            _ => None,
        }
    }

    /// The beginning of an ICMP or ICMPv6 message.
    #[must_use]
    pub fn icmp(&self) -> Option<&Icmp> {
        match &self.transport {
            Transport::Icmp(icmp) => Some(icmp),
            _ => None,
        }
    }

    /// The VXLAN header and the packet in it, for UDP to port 8472 or 4789.
    #[must_use]
    pub fn vxlan(&self) -> Option<&Vxlan> {
        match &self.transport {
            Transport::Vxlan(_, vxlan) => Some(vxlan),
            _ => None,
        }
    }

    /// What follows the last header that was decoded, without the padding of a short frame. Empty for VXLAN, whose
    /// content is a packet itself.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Where the decoding had to stop, if a layer was cut short.
    #[must_use]
    pub fn malformed(&self) -> Option<&Malformed> {
        self.malformed.as_ref()
    }

    /// Whether the host that captured it sent it, rather than received it.
    #[must_use]
    pub fn is_outgoing(&self) -> bool {
        self.outgoing
    }

    fn ports(&self) -> Option<(u16, u16)> {
        let udp = self.udp().map(|udp| (udp.src_port, udp.dst_port));
        udp.or_else(|| self.tcp().map(|tcp| (tcp.src_port, tcp.dst_port)))
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ethernet)?;
        if let Some(arp) = &self.arp {
            write!(f, ", {arp}")?;
        }
        match (&self.ip, self.ports()) {
            (Some(ip), Some((from, to))) => write!(f, ", {}.{from} > {}.{to}", ip.src, ip.dst)?,
            (Some(ip), None) => write!(f, ", {} > {}", ip.src, ip.dst)?,
            (None, _) => {}
        }
        match &self.transport {
            Transport::Udp(_) => write!(f, ": UDP, length {}", self.payload.len())?,
            Transport::Vxlan(_, vxlan) => write!(f, ": {vxlan}")?,
            Transport::Tcp(tcp) => write!(f, ": {tcp}, length {}", self.payload.len())?,
            Transport::Icmp(icmp) => write!(f, ": {icmp}, length {}", self.payload.len())?,
            Transport::None => match (&self.ip, &self.arp) {
                (Some(ip), _) => write!(f, ": {}, length {}", ip.protocol, self.payload.len())?,
                (None, Some(_)) => {}
                (None, None) => write!(f, ", length {}", self.payload.len())?,
            },
        }
        self.malformed.as_ref().map_or(Ok(()), |malformed| write!(f, " [{malformed}]"))
    }
}
