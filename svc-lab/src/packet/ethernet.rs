//! Ethernet headers and hardware addresses.

use std::fmt;
use std::str::FromStr;

use super::cursor::{Cursor, Malformed};

pub(super) const IPV4: u16 = 0x0800;
pub(super) const ARP: u16 = 0x0806;
pub(super) const IPV6: u16 = 0x86dd;

/// A hardware address, written `00:0c:29:9f:4f:5a`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

impl Mac {
    /// Its six bytes.
    #[must_use]
    pub fn octets(self) -> [u8; 6] {
        self.0
    }

    /// Whether it addresses a group of hosts, as the broadcast address does.
    #[must_use]
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl From<[u8; 6]> for Mac {
    fn from(octets: [u8; 6]) -> Self {
        Self(octets)
    }
}

impl FromStr for Mac {
    type Err = MacError;

    fn from_str(text: &str) -> Result<Self, MacError> {
        let octet = |it: &str| match it.len() {
            1 | 2 if it.bytes().all(|byte| byte.is_ascii_hexdigit()) => u8::from_str_radix(it, 16).ok(),
            _ => None,
        };
        let octets: Option<Vec<u8>> = text.split(':').map(octet).collect();
        octets.and_then(|it| it.try_into().ok()).map(Self).ok_or_else(|| MacError(text.into()))
    }
}

/// A text that is no hardware address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no hardware address; want six hexadecimal bytes as in 00:0c:29:9f:4f:5a")]
pub struct MacError(String);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An Ethernet header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ethernet {
    /// The sender.
    pub src: Mac,
    /// The receiver, or a group.
    pub dst: Mac,
    /// What it carries; 0x0800 is IPv4.
    pub ethertype: u16,
}

impl Ethernet {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let layer = "Ethernet header";
        let (dst, src) = (Mac(cursor.array(layer)?), Mac(cursor.array(layer)?));
        Ok(Self { src, dst, ethertype: cursor.u16(layer)? })
    }
}

impl fmt::Display for Ethernet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}, ", self.src, self.dst)?;
        match self.ethertype {
            IPV4 => f.write_str("IPv4"),
            IPV6 => f.write_str("IPv6"),
            ARP => f.write_str("ARP"),
            other => write!(f, "ethertype 0x{other:04x}"),
        }
    }
}
