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
pub(crate) use write::Writer;

#[cfg(feature = "netlink")]
mod write {
    use std::net::IpAddr;

    use netlink_packet_core::{NLA_F_NESTED, NLA_HEADER_SIZE};

    /// Messages one behind the other, as they are sent: a list of many takes no memory but this.
    #[derive(Debug, Default)]
    pub(crate) struct Writer {
        pub(crate) bytes: Vec<u8>,
    }

    impl Writer {
        pub(crate) fn attr(&mut self, kind: u16, value: &[u8]) {
            self.within(kind, |writer| writer.bytes.extend_from_slice(value));
        }

        pub(crate) fn u32(&mut self, kind: u16, value: u32) {
            self.attr(kind, &value.to_ne_bytes());
        }

        pub(crate) fn text(&mut self, kind: u16, text: &str) {
            self.within(kind, |writer| {
                writer.bytes.extend_from_slice(text.as_bytes());
                writer.bytes.push(0);
            });
        }

        /// `union nf_inet_addr`.
        pub(crate) fn address(&mut self, kind: u16, address: IpAddr) {
            let mut bytes = [0; 16];
            match address {
                IpAddr::V4(address) => bytes[..4].copy_from_slice(&address.octets()),
                IpAddr::V6(address) => bytes = address.octets(),
            }
            self.attr(kind, &bytes);
        }

        pub(crate) fn nested(&mut self, kind: u16, inside: impl FnOnce(&mut Self)) {
            self.within(kind | NLA_F_NESTED, inside);
        }

        /// The length is known when the value is there.
        fn within(&mut self, kind: u16, value: impl FnOnce(&mut Self)) {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(&[0; NLA_HEADER_SIZE]);
            value(self);
            let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
            self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
            self.bytes[start + 2..start + 4].copy_from_slice(&kind.to_ne_bytes());
            self.pad();
        }

        pub(crate) fn pad(&mut self) {
            self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        }
    }
}
