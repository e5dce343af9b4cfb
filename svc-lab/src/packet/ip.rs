//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::cursor::{Cursor, Malformed};

const V4: &str = "IPv4 header";
const V6: &str = "IPv6 header";

/// An IPv4 or IPv6 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ip {
    /// The source address.
    pub src: IpAddr,
    /// The destination address.
    pub dst: IpAddr,
    /// What it carries, behind the extension headers of IPv6.
    pub protocol: IpProtocol,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Whether it is a fragment but the first: without a transport header.
    pub is_later_fragment: bool,
    /// Whether routers may not fragment it; they never fragment IPv6.
    pub dont_fragment: bool,
}

/// What an IP packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IpProtocol {
    /// ICMP of IPv4.
    Icmp,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP of IPv6.
    Icmpv6,
    /// Another, by its number.
    Other(u8),
}

impl From<u8> for IpProtocol {
    fn from(number: u8) -> Self {
        match number {
            1 => Self::Icmp,
            6 => Self::Tcp,
            17 => Self::Udp,
            58 => Self::Icmpv6,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for IpProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Icmp => f.write_str("ICMP"),
            Self::Tcp => f.write_str("TCP"),
            Self::Udp => f.write_str("UDP"),
            Self::Icmpv6 => f.write_str("ICMP6"),
            Self::Other(number) => write!(f, "protocol {number}"),
        }
    }
}

impl Ip {
    pub(super) fn parse_v4(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let header_len = usize::from(cursor.u8(V4)? & 0x0f) * 4;
        cursor.skip(1, V4)?;
        let total = usize::from(cursor.u16(V4)?);
        cursor.skip(2, V4)?;
        let fragment = cursor.u16(V4)?;
        let (ttl, protocol) = (cursor.u8(V4)?, cursor.u8(V4)?);
        cursor.skip(2, V4)?;
        let (src, dst): ([u8; 4], [u8; 4]) = (cursor.array(V4)?, cursor.array(V4)?);
        cursor.skip(header_len.saturating_sub(20), "IPv4 options")?;
        // A segment that the card is to cut has no length of its own.
        if total > 0 {
            cursor.truncate(total.saturating_sub(header_len.max(20)), "IPv4 payload")?;
        }
        Ok(Self {
            src: Ipv4Addr::from(src).into(),
            dst: Ipv4Addr::from(dst).into(),
            protocol: protocol.into(),
            ttl,
            is_later_fragment: fragment & 0x1fff != 0,
            dont_fragment: fragment & 0x4000 != 0,
        })
    }

    pub(super) fn parse_v6(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        cursor.skip(4, V6)?;
        let length = usize::from(cursor.u16(V6)?);
        let (next, ttl) = (cursor.u8(V6)?, cursor.u8(V6)?);
        let (src, dst): ([u8; 16], [u8; 16]) = (cursor.array(V6)?, cursor.array(V6)?);
        if length > 0 {
            cursor.truncate(length, "IPv6 payload")?;
        }
        let (protocol, is_later_fragment) = skip_extensions(next, cursor)?;
        Ok(Self {
            src: Ipv6Addr::from(src).into(),
            dst: Ipv6Addr::from(dst).into(),
            protocol: protocol.into(),
            ttl,
            is_later_fragment,
            dont_fragment: true,
        })
    }
}

/// RFC 8200 section 4: each extension header tells what comes next, and all but the fragment header its length.
fn skip_extensions(mut next: u8, cursor: &mut Cursor<'_>) -> Result<(u8, bool), Malformed> {
    const LAYER: &str = "IPv6 extension header";
    const FRAGMENT: u8 = 44;
    let mut is_later = false;
    while matches!(next, 0 | 43 | FRAGMENT | 60) && !is_later {
        let [following, length] = cursor.array(LAYER)?;
        if next == FRAGMENT {
            is_later = cursor.u16(LAYER)? >> 3 != 0;
            cursor.skip(4, LAYER)?;
        } else {
            cursor.skip(usize::from(length) * 8 + 6, LAYER)?;
        }
        next = following;
    }
    Ok((next, is_later))
}
