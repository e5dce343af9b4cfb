//! Netlink attributes of this family: most numbers are in host order, ports and IPv4 masks in network order.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::NlasIterator;

use crate::Family;

/// The attributes of a message or of an attribute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attrs<'a>(pub(crate) &'a [u8]);

impl<'a> Attrs<'a> {
    /// The payload of the first attribute of this kind; what follows a malformed one is not seen.
    pub(crate) fn bytes(self, kind: u16) -> Option<&'a [u8]> {
        let found = NlasIterator::new(self.0).map_while(Result::ok).find(|nla| nla.kind() == kind)?;
        let length = usize::from(found.length());
        found.into_inner().get(netlink_packet_core::NLA_HEADER_SIZE..length)
    }

    pub(crate) fn nested(self, kind: u16) -> Option<Self> {
        self.bytes(kind).map(Self)
    }

    fn array<const N: usize>(self, kind: u16) -> Option<[u8; N]> {
        self.bytes(kind)?.try_into().ok()
    }

    pub(crate) fn u8(self, kind: u16) -> Option<u8> {
        self.array(kind).map(u8::from_ne_bytes)
    }

    pub(crate) fn u16(self, kind: u16) -> Option<u16> {
        self.array(kind).map(u16::from_ne_bytes)
    }

    pub(crate) fn be16(self, kind: u16) -> Option<u16> {
        self.array(kind).map(u16::from_be_bytes)
    }

    pub(crate) fn u32(self, kind: u16) -> Option<u32> {
        self.array(kind).map(u32::from_ne_bytes)
    }

    pub(crate) fn u64(self, kind: u16) -> Option<u64> {
        self.array(kind).map(u64::from_ne_bytes)
    }

    /// Text up to its NUL.
    pub(crate) fn text(self, kind: u16) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(kind)?.split(|byte| *byte == 0).next()?).ok()
    }

    /// `union nf_inet_addr`: 16 bytes, of which IPv4 takes the first four.
    pub(crate) fn address(self, kind: u16, family: Family) -> Option<IpAddr> {
        let bytes = self.bytes(kind)?;
        match family {
            Family::V4 => Some(IpAddr::V4(Ipv4Addr::from(*bytes.first_chunk::<4>()?))),
            Family::V6 => Some(IpAddr::V6(Ipv6Addr::from(*bytes.first_chunk::<16>()?))),
        }
    }
}

#[cfg(feature = "netlink")]
pub(crate) use write::*;

#[cfg(feature = "netlink")]
mod write {
    use std::net::IpAddr;

    use netlink_packet_core::{DefaultNla, Emitable, NLA_F_NESTED};

    pub(crate) fn attr<const N: usize>(kind: u16, bytes: [u8; N]) -> DefaultNla {
        DefaultNla::new(kind, bytes.to_vec())
    }

    pub(crate) fn u32(kind: u16, value: u32) -> DefaultNla {
        attr(kind, value.to_ne_bytes())
    }

    pub(crate) fn text(kind: u16, text: &str) -> DefaultNla {
        DefaultNla::new(kind, [text.as_bytes(), &[0]].concat())
    }

    pub(crate) fn address(kind: u16, address: IpAddr) -> DefaultNla {
        let mut bytes = [0; 16];
        match address {
            IpAddr::V4(address) => bytes[..4].copy_from_slice(&address.octets()),
            IpAddr::V6(address) => bytes = address.octets(),
        }
        attr(kind, bytes)
    }

    pub(crate) fn nested(kind: u16, inside: &[DefaultNla]) -> DefaultNla {
        DefaultNla::new(kind | NLA_F_NESTED, emit(inside))
    }

    pub(crate) fn emit(attributes: &[DefaultNla]) -> Vec<u8> {
        let mut bytes = vec![0; attributes.buffer_len()];
        attributes.emit(&mut bytes);
        bytes
    }
}
